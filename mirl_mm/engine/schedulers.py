"""The learning-rate schedule of MAE and MIRL."""

import math
from typing import Any

from mmengine.optim import _ParamScheduler
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin

from mirl_mm.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(LRSchedulerMixin, _ParamScheduler):
    """Linear warm-up from 0, then half a cosine down to a share of each group's rate.

    In closed form, step t of T with warm-up W: ``t / W`` for t < W, else ``m + (1 - m) * (1 + cos(pi * (t - W) / (T -
    W))) / 2`` (facebookresearch/mae ``util/lr_sched.py``; MIRL's is the same), times the group's own initial rate. So
    layer-wise decay keeps its proportions to the end. mmengine's ``LinearLR`` can't start at 0 and reaches the top one
    step early, and its schedulers multiply step by step, which drifts; hence this one.

    Args:
        optimizer: The optimizer wrapper.
        warmup: Steps of warm-up, in epochs if ``by_epoch``, fractions allowed.
        end: T.
        min_ratio: m, the last rate over the highest.
        by_epoch: Count epochs. With ``convert_to_iter_based=True`` in the config, lengths are epochs and the rate is
            set at every iteration.
        last_step: Of a resumed schedule; -1 starts anew.
        verbose: Log every change.

    Raises:
        ValueError: Unless 0 <= warmup < end.
    """

    def __init__(
        self,
        optimizer: Any,
        warmup: float,
        end: int,
        min_ratio: float = 0.0,
        by_epoch: bool = True,
        last_step: int = -1,
        verbose: bool = False,
    ) -> None:
        if not 0 <= warmup < end:
            raise ValueError(f"the warm-up must be shorter than the schedule, got warmup={warmup}, end={end}")
        self.warmup = warmup
        self.min_ratio = min_ratio
        super().__init__(optimizer=optimizer, end=end, by_epoch=by_epoch, last_step=last_step, verbose=verbose)

    @classmethod
    def build_iter_from_epoch(
        cls, optimizer: Any, *, warmup: float, end: int, epoch_length: int, by_epoch: bool = True, **kwargs: Any
    ) -> "WarmupCosineLR":
        """The same schedule counted in iterations; called by mmengine for ``convert_to_iter_based=True``."""
        return cls(optimizer, warmup=warmup * epoch_length, end=end * epoch_length, by_epoch=False, **kwargs)

    def factor(self, step: int) -> float:
        """Rate at ``step`` over the highest."""
        if step < self.warmup:
            return step / self.warmup
        progress = (step - self.warmup) / (self.end - self.warmup)
        return self.min_ratio + (1 - self.min_ratio) * 0.5 * (1 + math.cos(math.pi * progress))

    def _get_value(self) -> list[float]:
        factor = self.factor(self.last_step)
        return [base * factor for base in self.base_values]
