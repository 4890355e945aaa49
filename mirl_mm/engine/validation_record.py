"""The record of a run's validations, so that one that a kill cut off is done on resuming."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import EarlyStoppingHook, ParamSchedulerHook, RuntimeInfoHook
from mmengine.runner import EpochBasedTrainLoop, Runner

from mirl_mm.file_backend import write_file

from .main_process import on_main_process

#: Beside the checkpoints: steps that were validated, and the metrics.
RECORD = "validated.json"
#: In the state of a checkpoint: the last step that was.
_KEY = "step_validated"  # not val..., which the log would print


class Validations:
    """The record of a run's validations, beside its checkpoints.

    A checkpoint is written before its validation, and again after it only if that was the best. What the others
    measured is in ``validated.json`` alone: a step, an epoch or iteration, and its metrics.

    Args:
        folder: Where the checkpoints are.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / RECORD
        self._metrics: dict[str, dict[str, float]] = {}

    def begin(self, runner: Runner, resumed_in: str | Path | None) -> None:
        """Start a record, or go on with that in the folder of the checkpoint from which a run is resumed.

        Its last validation is caught up on if it is missing.

        What the step's validation told to hooks that keep a state is told again, if the checkpoint is from before it.
        """
        step = current_step(runner)
        known = on_main_process(_read, Path(resumed_in) / RECORD) if resumed_in is not None else {}
        self._metrics = {key: metrics for key, metrics in known.items() if int(key) <= step}
        self.finish()
        if not is_due(runner, step) or runner.message_hub.runtime_info.get(_KEY) == step:
            return
        metrics = self._metrics.get(str(step))
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        # as after the step: what RuntimeInfoHook has noted is already the next one
        runner.message_hub.update_info("epoch", runner.epoch - by_epoch)
        runner.message_hub.update_info("iter", runner.iter - 1)
        if metrics is None:
            unit = "epoch" if by_epoch else "iteration"
            runner.logger.info(f"the validation of {unit} {step} was cut off, or is not on record: it is done now")
            runner.val_loop.run()
            return
        runner.message_hub.update_info(_KEY, step)
        for hook in runner.hooks:
            if isinstance(hook, (RuntimeInfoHook, ParamSchedulerHook, EarlyStoppingHook)):
                hook.after_val_epoch(runner, metrics)

    def note(self, runner: Runner, metrics: Mapping[str, Any] | None) -> None:
        """Take up what a validation measured; a checkpoint that is written from now on has it in its state."""
        step = current_step(runner)
        runner.message_hub.update_info(_KEY, step)
        self._metrics[str(step)] = {name: float(value) for name, value in (metrics or {}).items() if _is_number(value)}

    def finish(self) -> None:
        """Write the record, when all that follows from a validation is done."""
        if is_main_process() and (self._metrics or self.path.exists()):
            write_file(self.path, json.dumps(self._metrics))


def current_step(runner: Runner) -> int:
    """Epochs or iterations that are behind a training, whichever its loop counts."""
    return runner.epoch if isinstance(runner.train_loop, EpochBasedTrainLoop) else runner.iter


def is_due(runner: Runner, step: int) -> bool:
    """Whether the training loop validates after that many epochs or iterations; mmengine's own rule."""
    loop = runner.train_loop
    if runner.val_loop is None or step == 0:
        return False
    loop._decide_current_val_interval()
    last = loop.max_epochs if isinstance(loop, EpochBasedTrainLoop) else loop.max_iters
    return step >= loop.val_begin and (step % loop.val_interval == 0 or step == last)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, str)


def _read(path: Path) -> dict[str, dict[str, float]]:
    """The record; nothing if there is none, or it is damaged: then a validation is done once more."""
    try:
        found = json.loads(path.read_text())
        return {str(int(step)): dict(metrics) for step, metrics in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
