"""What a run tells of itself: gradient norm, throughput, and a loud stop when the loss is not finite."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.nn.utils import get_total_norm
from torch.utils.hooks import RemovableHandle

from mirl_mm.registry import HOOKS


@HOOKS.register_module()
class GradNormHook(Hook):
    """Logs the norm of all gradients as ``grad_norm``, taken right before an update.

    Unlike clipping at infinity, which mmengine would need to report it, this changes no gradient and costs nothing
    between logs. Where gradients are clipped by their norm, mmengine logs the norm before clipping under the same name,
    and this hook does nothing. Where they are clipped by value, it is the norm of the clipped ones.

    Args:
        interval: Iterations between measurements; the log's interval by default, so that each line shows a fresh one.
    """

    def __init__(self, interval: int | None = None) -> None:
        self.interval = interval
        self._due = False
        self._handle: RemovableHandle | None = None

    def before_train(self, runner: Runner) -> None:
        """Attach to the optimiser."""
        if runner.optim_wrapper.clip_grad_kwargs and runner.optim_wrapper.grad_name == "grad_norm":
            return
        if self.interval is None:
            loggers = [hook for hook in runner.hooks if type(hook).__name__ == "LoggerHook"]
            self.interval = loggers[0].interval if loggers else 10

        def measure(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            if self._due:
                gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
                runner.message_hub.update_scalar("train/grad_norm", get_total_norm(gradients).item())
                self._due = False

        self._handle = runner.optim_wrapper.optimizer.register_step_pre_hook(measure)

    def after_train(self, runner: Runner) -> None:
        """Detach."""
        if self._handle is not None:
            self._handle.remove()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Ask for a measurement at the next update from the iteration that will be logged on."""
        if self.interval and ((batch_idx + 1) % self.interval == 0 or runner.iter == 0):
            self._due = True


@HOOKS.register_module()
class ThroughputHook(Hook):
    """Logs images per second, over all processes, as ``img_per_s`` (data loading included)."""

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Divide the batch by the iteration's time, which ``IterTimerHook`` has just noted."""
        seconds = runner.message_hub.get_scalar("train/time").current()
        images = len(data_batch["inputs"]) * runner.world_size
        runner.message_hub.update_scalar("train/img_per_s", images / max(seconds, 1e-9))


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Stops the run at a loss that is NaN or infinite.

    Reads the loss that the log has fetched from the device anyway, so it costs no synchronisation of its own. The
    next checkpoint is not written: the last good one stays.
    """

    priority = "ABOVE_NORMAL"

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Check the loss.

        Raises:
            FloatingPointError: With iteration, learning rate and the batch's files.
        """
        loss = runner.message_hub.get_scalar("train/loss").current()
        if math.isfinite(loss):
            return
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        place = f"iteration {runner.iter}{f' (epoch {runner.epoch})' if by_epoch else ''}"
        rate = runner.optim_wrapper.get_lr()["lr"][0]
        parts = {key: float(value) for key, value in (outputs or {}).items()}
        raise FloatingPointError(
            f"the loss is {loss} at {place}, lr {rate:.4g}; terms {parts}. "
            f"Batch of rank {runner.rank}: {_files(data_batch)}. Look at these images; lower the lr or lengthen the "
            "warm-up; train in float32 (optim_wrapper.type=OptimWrapper) to rule out precision. "
            "The last checkpoint is from before: go on from it with --resume"
        )


def _files(data_batch: Any) -> Sequence[str]:
    samples = data_batch.get("data_samples", []) if isinstance(data_batch, dict) else []
    return [str(getattr(sample, "img_path", "unknown")) for sample in samples]
