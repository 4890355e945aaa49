"""Losses fetched from the device when they are logged; a run stops at one that is not finite."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor

from mirl_mm.registry import HOOKS

from .log_interval import iters_until_log


class _Iteration(NamedTuple):
    """What is known of an iteration whose losses are not fetched yet.

    Attributes:
        step: Iteration and epoch, for the message.
        rate: Learning rate.
        files: Of the batch.
        names: Of the losses.
        values: Of the losses, on the device.
    """

    step: str
    rate: float
    files: Sequence[str]
    names: tuple[str, ...]
    values: Tensor


@HOOKS.register_module()
class LossInfoHook(RuntimeInfoHook):
    """mmengine's ``RuntimeInfoHook``, but no step waits for its losses, and a bad one stops the run.

    mmengine fetches every iteration's losses at once, and the host, which could prepare the next step meanwhile, waits.
    Here they are fetched together when the log is due, at the end of an epoch, and before a checkpoint, a validation
    and the end. The log is the same, digit for digit. On the CPU, where nothing waits, they are fetched at once.

    A loss that is NaN or infinite stops the run when it is fetched. The next checkpoint is not written: the last good
    one stays.

    Args:
        deferred: Fetch them together. Default: if they are on a GPU.
    """

    def __init__(self, deferred: bool | None = None) -> None:
        super().__init__()
        self.deferred = deferred
        self._waiting: list[_Iteration] = []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Note the losses, and fetch all that are noted if it is time.

        Raises:
            FloatingPointError: At a loss that is not finite, with its iteration, learning rate and files.
        """
        if not outputs:
            return
        values = torch.stack([torch.as_tensor(value).detach().double().reshape(()) for value in outputs.values()])
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        step = f"iteration {runner.iter}{f' (epoch {runner.epoch})' if by_epoch else ''}"
        rate = runner.optim_wrapper.get_lr()["lr"][0]
        self._waiting.append(_Iteration(step, rate, _files(data_batch), tuple(outputs), values))
        deferred = values.device.type != "cpu" if self.deferred is None else self.deferred
        if not deferred or self._is_due(runner, batch_idx):
            self._fetch(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Fetch what is left."""
        self._fetch(runner)

    def before_val(self, runner: Runner) -> None:
        """Fetch what is left."""
        self._fetch(runner)
        super().before_val(runner)

    def after_train(self, runner: Runner) -> None:
        """Fetch what is left."""
        self._fetch(runner)
        super().after_train(runner)

    def _is_due(self, runner: Runner, batch_idx: int) -> bool:
        """Whether a hook of this iteration reads the log: the logger, or one that writes a checkpoint."""
        if iters_until_log(runner, batch_idx) == 0 or self.is_last_train_iter(runner):
            return True
        return any(
            hasattr(hook, "save_begin")
            and not hook.by_epoch
            and self.every_n_train_iters(runner, getattr(hook, "interval", None) or 0)
            for hook in runner.hooks
        )

    def _fetch(self, runner: Runner) -> None:
        """Bring all losses to the log in one copy, in their order."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        numbers = iter(torch.cat([iteration.values for iteration in waiting]).tolist())
        for iteration in waiting:
            losses = {name: next(numbers) for name in iteration.names}
            for name, value in losses.items():
                runner.message_hub.update_scalar(f"train/{name}", value)
            if not math.isfinite(losses.get("loss", 0.0)):
                raise FloatingPointError(
                    f"the loss is {losses['loss']} at {iteration.step}, lr {iteration.rate:.4g}; terms {losses}. "
                    f"Batch of rank {runner.rank}: {iteration.files}. Look at these images; lower the lr or lengthen "
                    "the warm-up; train in float32 (optim_wrapper.type=OptimWrapper) to rule out precision. "
                    "The last checkpoint is from before: go on from it with --resume"
                )


def _files(data_batch: Any) -> Sequence[str]:
    samples = data_batch.get("data_samples", []) if isinstance(data_batch, Mapping) else []
    return [str(getattr(sample, "img_path", "unknown")) for sample in samples]
