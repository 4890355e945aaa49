"""Gradient norm and images per second in the log."""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.utils.hooks import RemovableHandle

from mirl_mm.registry import HOOKS

from .log_interval import iters_until_log


@HOOKS.register_module()
class GradNormHook(Hook):
    """Logs the norm of all gradients as ``grad_norm``: each line has that of the last update before it.

    Unlike clipping at infinity, which mmengine would need to report it, this changes no gradient and costs nothing
    between lines. Where gradients are clipped by their norm, it is the norm before clipping, which mmengine would fetch
    from the device at each update. Where they are clipped by value, it is the norm of the clipped ones.
    """

    def __init__(self) -> None:
        self._due = False
        self._handle: RemovableHandle | None = None
        self._clip: Callable | None = None

    def before_train(self, runner: Runner) -> None:
        """Attach to clipping or to the optimiser."""
        wrapper = runner.optim_wrapper
        if wrapper.clip_grad_kwargs and wrapper.grad_name == "grad_norm":
            clip = self._clip = wrapper.clip_func

            def clip_and_note(*args: Any, **kwargs: Any) -> None:
                self._note(runner, clip(*args, **kwargs))

            wrapper.clip_func = clip_and_note
            return

        def measure(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            if self._due:
                gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
                self._note(runner, get_total_norm(gradients))

        self._handle = wrapper.optimizer.register_step_pre_hook(measure)

    def after_train(self, runner: Runner) -> None:
        """Detach."""
        if self._handle is not None:
            self._handle.remove()
        if self._clip is not None:
            runner.optim_wrapper.clip_func = self._clip

    def _note(self, runner: Runner, norm: Tensor) -> None:
        if self._due:
            runner.message_hub.update_scalar("train/grad_norm", norm.item())

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Ask for a measurement if an update in this iteration would be the last before a line."""
        left = iters_until_log(runner, batch_idx)
        self._due = left is not None and left < runner.optim_wrapper._accumulative_counts


@HOOKS.register_module()
class ThroughputHook(Hook):
    """Logs images per second, over all processes, as ``img_per_s`` (data loading included)."""

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Divide the batch by the iteration's time, which ``IterTimerHook`` has just noted."""
        seconds = runner.message_hub.get_scalar("train/time").current()
        images = len(data_batch["inputs"]) * runner.world_size
        runner.message_hub.update_scalar("train/img_per_s", images / max(seconds, 1e-9))
