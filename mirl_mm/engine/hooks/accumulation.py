"""Gradient accumulation that ends with each epoch, so that it resumes exactly."""

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from mirl_mm.registry import HOOKS


@HOOKS.register_module()
class EpochAccumulationHook(Hook):
    """Lets each epoch end with an update, whatever ``accumulative_counts`` is.

    mmengine accumulates across epochs and flushes at the end of training only; a checkpoint between two updates then
    misses the gradients gathered so far. With this hook every epoch is complete in itself: its last, shorter window is
    averaged over the iterations it really has. Iteration-based training checks instead that its checkpoints fall on
    updates.

    Raises:
        ValueError: If an iteration-based run would write checkpoints between two updates.
    """

    def before_train(self, runner: Runner) -> None:
        """Check the checkpoint interval of iteration-based training."""
        counts = runner.optim_wrapper._accumulative_counts
        if isinstance(runner.train_loop, EpochBasedTrainLoop) or counts == 1:
            return
        for hook in runner.hooks:
            interval = getattr(hook, "interval", 0)
            if hasattr(hook, "save_begin") and not hook.by_epoch and interval > 0 and interval % counts:
                raise ValueError(
                    f"checkpoint interval {interval} is no multiple of accumulative_counts={counts}: gradients between "
                    f"two updates are not in a checkpoint. Use {interval // counts * counts or counts} or so"
                )

    def before_train_epoch(self, runner: Runner) -> None:
        """Count this epoch's iterations from 0."""
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            runner.optim_wrapper.initialize_count_status(runner.model, 0, len(runner.train_dataloader))
