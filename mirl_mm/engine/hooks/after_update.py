"""What a pre-trainer does after each update of its weights."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.optim import Optimizer

from mirl_mm.models.pretrainers import Pretrainer

from .unwrapped import unwrapped_model


def call_after_updates(model: nn.Module, optimizer: Optimizer) -> None:
    """Let each step of the optimiser be followed by :meth:`Pretrainer.after_update`, if ``model`` has it.

    Iterations that only accumulate gradients are no updates.
    """
    if isinstance(model, Pretrainer):
        optimizer.register_step_post_hook(lambda *_: model.after_update())


class AfterUpdateHook(Hook):
    """:func:`call_after_updates` for a runner; every training has it."""

    def before_train(self, runner: Runner) -> None:
        """The optimiser is built by now."""
        call_after_updates(unwrapped_model(runner), runner.optim_wrapper.optimizer)
