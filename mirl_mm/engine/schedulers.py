"""Learning-rate schedules: a warm-up and what follows it, as long as the training is."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log
from mmengine.optim import _ParamScheduler
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.runner import EpochBasedTrainLoop, Runner

from mirl_mm.registry import PARAM_SCHEDULERS


class WarmupLR(LRSchedulerMixin, _ParamScheduler):
    """What the schedules here have in common: a warm-up, and the length of the training.

    ``end`` stays out of a config: mmengine's runner fills in the length of the loop. What is between 0 and 1 is a share
    of that length. A resumed run follows the schedule of its own config: where that has another length than the
    checkpoint's, the rates go on as if it had been so from the start.

    Args:
        optimizer: The optimizer wrapper.
        warmup: Steps of warm-up, in epochs if ``by_epoch``, fractions allowed; or the share of the schedule, if it is
            between 0 and 1.
        end: Steps of the whole schedule; in a config, the length of the training unless it is given.
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
        by_epoch: bool = True,
        last_step: int = -1,
        verbose: bool = False,
    ) -> None:
        self.warmup = steps_of(warmup, end)
        if not 0 <= self.warmup < end:
            raise ValueError(
                f"the warm-up must be shorter than the schedule, got warmup={warmup:g}, end={end:g}: give fewer steps, "
                "or a share of the length such as 0.05"
            )
        super().__init__(optimizer=optimizer, end=end, by_epoch=by_epoch, last_step=last_step, verbose=verbose)

    @classmethod
    def build_iter_from_epoch(cls, optimizer: Any, *, epoch_length: int, **kwargs: Any) -> Any:
        """The same schedule counted in iterations; called by mmengine for ``convert_to_iter_based=True``."""
        warmup, end = kwargs.pop("warmup"), kwargs.pop("end")
        kwargs["by_epoch"] = False
        if not 0 < warmup < 1:  # a share stays one
            warmup *= epoch_length
        return cls(optimizer, warmup=warmup, end=end * epoch_length, **kwargs)

    def load_state_dict(self, state_dict: dict) -> None:
        """Go on from a checkpoint, by this schedule also where the checkpoint's was another."""
        here = ("optimizer", "base_values", "last_step", "verbose")
        shape = {key: value for key, value in vars(self).items() if key not in here and not key.startswith("_")}
        super().load_state_dict(state_dict)
        if all(state_dict.get(key) == value for key, value in shape.items()):
            return
        self.__dict__.update(shape)
        print_log(
            f"the checkpoint's schedule was another (end {state_dict.get('end')}, here {self.end}): from step "
            f"{self._global_step} on the rates are those that {type(self).__name__} of this config has there",
            logger="current",
        )
        self._replay()

    def _replay(self) -> None:
        """Set the rates of the present step from the initial ones, step by step as a whole run would have."""
        groups = self.optimizer.param_groups
        for group, base in zip(groups, self.base_values, strict=True):
            group[self.param_name] = base
        for step in range(min(self._global_step, self.end - 1) + 1):
            self.last_step = step
            for group, value in zip(groups, self._get_value(), strict=True):
                group[self.param_name] = value
        self._last_value = [group[self.param_name] for group in groups]


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(WarmupLR):
    """Linear warm-up from 0, then half a cosine down to a share of each group's rate.

    In closed form, step t of T with warm-up W: ``t / W`` for t < W, else ``m + (1 - m) * (1 + cos(pi * (t - W) / (T -
    W))) / 2`` (facebookresearch/mae ``util/lr_sched.py``; MIRL's is the same), times the group's own initial rate. So
    layer-wise decay keeps its proportions to the end. mmengine's ``LinearLR`` can't start at 0 and reaches the top one
    step early, and its schedulers multiply step by step, which drifts; hence this one.

    Args:
        optimizer: The optimizer wrapper.
        warmup: See :class:`WarmupLR`.
        end: T. See :class:`WarmupLR`.
        min_ratio: m, the last rate over the highest.
        **kwargs: See :class:`WarmupLR`.
    """

    def __init__(self, optimizer: Any, warmup: float, end: int, min_ratio: float = 0.0, **kwargs: Any) -> None:
        self.min_ratio = min_ratio
        super().__init__(optimizer, warmup, end, **kwargs)

    def factor(self, step: int) -> float:
        """Rate at ``step`` over the highest."""
        if step < self.warmup:
            return step / self.warmup
        progress = (step - self.warmup) / (self.end - self.warmup)
        return self.min_ratio + (1 - self.min_ratio) * 0.5 * (1 + math.cos(math.pi * progress))

    def _get_value(self) -> list[float]:
        factor = self.factor(self.last_step)
        return [base * factor for base in self.base_values]


class _ChainedLR(WarmupLR):
    """Linear warm-up from a share of the rate, then factors step by step.

    The arithmetic is that of mmengine's ``LinearLR(begin=0, end=warmup + 1)`` and of the scheduler that follows it, to
    the last bit.
    """

    def __init__(self, optimizer: Any, warmup: float, end: int, start_factor: float = 1e-3, **kwargs: Any) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"start_factor must be above 0 and at most 1, got {start_factor:g}")
        self.start_factor = start_factor
        super().__init__(optimizer, round(steps_of(warmup, end)), end, **kwargs)

    def _get_value(self) -> list[float]:
        step, start = self.last_step, self.start_factor
        rates = [group[self.param_name] for group in self.optimizer.param_groups]
        if step <= self.warmup and self.warmup:
            rise = start if step == 0 else 1.0 + (1.0 - start) / (self.warmup * start + (step - 1) * (1.0 - start))
            rates = [rate * rise for rate in rates]
        return [rate * self._fall(step) for rate in rates]

    def _fall(self, step: int) -> float:
        """The rate at ``step`` over that of the step before, after the warm-up."""
        raise NotImplementedError


@PARAM_SCHEDULERS.register_module()
class WarmupPolyLR(_ChainedLR):
    """Linear warm-up, then ``(1 - t)^power`` to 0, which it reaches one step after the last.

    mmengine's ``LinearLR`` and ``PolyLR`` in one.

    Args:
        optimizer: The optimizer wrapper.
        warmup: Steps until the highest rate. See :class:`WarmupLR`.
        end: See :class:`WarmupLR`.
        start_factor: The first rate over the highest.
        power: 1: a straight line.
        **kwargs: See :class:`WarmupLR`.
    """

    def __init__(self, optimizer: Any, warmup: float, end: int, power: float = 1.0, **kwargs: Any) -> None:
        self.power = power
        super().__init__(optimizer, warmup, end, **kwargs)

    def _fall(self, step: int) -> float:
        since = step - self.warmup
        return (1 - 1 / (self.end - self.warmup - since + 1)) ** self.power if since > 0 else 1.0


@PARAM_SCHEDULERS.register_module()
class WarmupStepLR(_ChainedLR):
    """Linear warm-up, then the same rate, multiplied at each milestone.

    mmengine's ``LinearLR`` and ``MultiStepLR`` in one.

    Args:
        optimizer: The optimizer wrapper.
        warmup: Steps until the highest rate. See :class:`WarmupLR`.
        end: See :class:`WarmupLR`.
        milestones: Where the rate falls: steps, or shares of the schedule, rounded to whole updates of the weights.
        gamma: What the rate is multiplied by there.
        **kwargs: ``start_factor``, the first rate over the highest, and what :class:`WarmupLR` has.

    Raises:
        ValueError: For a milestone that is not positive.
    """

    def __init__(
        self, optimizer: Any, warmup: float, end: int, milestones: Sequence[float], gamma: float = 0.1, **kwargs: Any
    ) -> None:
        if not all(milestone > 0 for milestone in milestones):
            raise ValueError(f"milestones must be steps, or shares of the length, above 0, got {list(milestones)}")
        update = getattr(optimizer, "_accumulative_counts", 1)
        self.milestones = Counter(
            round(each * end / update) * update if each < 1 else round(each) for each in milestones
        )
        self.gamma = gamma
        super().__init__(optimizer, warmup, end, **kwargs)

    @classmethod
    def build_iter_from_epoch(cls, optimizer: Any, *, epoch_length: int, **kwargs: Any) -> Any:
        """The same schedule counted in iterations; called by mmengine for ``convert_to_iter_based=True``."""
        kwargs["milestones"] = [each if each < 1 else each * epoch_length for each in kwargs["milestones"]]
        return super().build_iter_from_epoch(optimizer, epoch_length=epoch_length, **kwargs)

    def _fall(self, step: int) -> float:
        return self.gamma ** self.milestones[step] if step in self.milestones else 1.0


def check_resumed(runner: Runner, checkpoint: Mapping[str, Any]) -> None:
    """Refuse to go on from a checkpoint where the length of the training makes no sense of it.

    Raises:
        ValueError: If the training is shorter than what was done already; if it has another length than before, and its
            schedule is one of mmengine's, which would keep to the old one.
    """
    loop = runner.train_loop
    unit, length = ("epoch", loop.max_epochs) if isinstance(loop, EpochBasedTrainLoop) else ("iter", loop.max_iters)
    done = checkpoint["meta"][unit]
    if done > length:
        raise ValueError(
            f"can't resume: the checkpoint has {done} {unit}s behind it, and the training is to have {length}: give "
            f"--{unit}s {done} or more"
        )
    built = runner.param_schedulers if isinstance(runner.param_schedulers, list) else []
    for schedule, state in zip(built, checkpoint.get("param_schedulers") or [], strict=False):
        if not isinstance(schedule, WarmupLR) and schedule.end != state.get("end", schedule.end):
            raise ValueError(
                f"can't resume with another length: {type(schedule).__name__} was to end at {state['end']}, and would "
                f"with this config at {schedule.end}, but mmengine's schedules keep to the first: resume with that, or "
                "take mirl_mm.WarmupStepLR, WarmupPolyLR or WarmupCosineLR"
            )


def steps_of(length: float, end: float) -> float:
    """A number of steps as it stands; a share of the schedule, between 0 and 1, as the steps that it is."""
    return length * end if 0 < length < 1 else length
