"""Says what a checkpoint brought, and refuses one that belongs to another model."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mirl_mm.checkpoint.report import compare
from mirl_mm.registry import HOOKS


@HOOKS.register_module()
class LoadReportHook(Hook):
    """Prints a report of every checkpoint that the runner loads, before anything is copied.

    A resumed or tested model must agree with its checkpoint entirely. ``load_from`` at the start of a training may fit
    in part (fine-tuning), but something must fit.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the checkpoint with the model.

        Raises:
            ValueError: If the checkpoint is another model's.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        report = compare(model, checkpoint.get("state_dict", checkpoint))
        what = f"checkpoint for {type(model).__name__}: {report}"
        strict = runner._resume or runner._train_loop is None
        if not report.loaded or (strict and not report.complete):
            purpose = "resume" if runner._resume else "test" if runner._train_loop is None else "start from"
            raise ValueError(
                f"can't {purpose} this model from {runner._load_from or 'the checkpoint'}: {report}. It was written for"
                " another model: give the config with which it was trained"
            )
        (runner.logger.info if report.complete else runner.logger.warning)(what)
