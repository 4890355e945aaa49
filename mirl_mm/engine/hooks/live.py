"""Progress and curves of a training in a notebook."""

import sys
import time
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mirl_mm.registry import HOOKS
from mirl_mm.visualization.curves import encode_figure, plot_run
from mirl_mm.visualization.scalars import read_scalars

from ..console import console_handlers


def in_notebook() -> bool:
    """Whether this code is run by a notebook's kernel; IPython is not imported for it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


@HOOKS.register_module()
class LiveCurvesHook(Hook):
    """Shows progress, time left and curves in a notebook's cell, in place, as training goes on.

    It takes the place of the log's lines, of which only warnings are shown then; the log file has them all. The curves
    are those that the run has logged, by :func:`~mirl_mm.visualization.curves.plot_run`. Nothing of the training is
    changed. In the main process only; outside of a notebook it does nothing.

    Args:
        seconds: Between two looks; drawing takes a fifth of a second.
    """

    priority = "LOWEST"  # after the logger has written

    def __init__(self, seconds: float = 5.0) -> None:
        self.seconds = seconds
        self._line: Any = None
        self._picture: Any = None
        self._begun = self._shown = 0.0
        self._first = 0

    def before_train(self, runner: Runner) -> None:
        """Open the display."""
        if not (is_main_process() and in_notebook()):
            return
        from IPython.display import Pretty, display  # of the notebook that is running

        for handler in console_handlers(runner.logger):
            handler.setLevel("WARNING")
        self._begun, self._first = time.monotonic(), runner.iter
        self._line = display(Pretty("training begins"), display_id=True)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Look, if it is time."""
        if self._line is not None and time.monotonic() - self._shown > self.seconds:
            self._show(runner, runner.iter + 1)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Look at the new figures."""
        if self._line is not None:
            self._show(runner, runner.iter)

    after_train = after_val_epoch  # the last look

    def _show(self, runner: Runner, done: int) -> None:
        from IPython.display import Image, Pretty, display

        self._shown = time.monotonic()
        total = runner.max_iters
        taken = self._shown - self._begun
        left = taken / max(done - self._first, 1) * (total - done)
        times = f"{_duration(left)} left" if done < total else f"done in {_duration(taken)}"
        self._line.update(Pretty(f"iteration {done:,} of {total:,}, {times}"))
        try:
            picture = Image(data=encode_figure(plot_run(read_scalars(runner.work_dir))), format="png")
        except (FileNotFoundError, ValueError):  # nothing has been logged yet
            return
        if self._picture is None:
            self._picture = display(picture, display_id=True)
        else:
            self._picture.update(picture)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
