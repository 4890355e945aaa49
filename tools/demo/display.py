"""What is shown while the demo runs."""

import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table

from .running import RunningStep
from .step import Step

_LINE_EVERY = 15.0  # seconds, where there is no terminal
_BAR = 24  # characters

Shown = Sequence[tuple[RunningStep, float]]  # steps, and the seconds that each will still take


class Display:
    """Lines for what begins and ends; below them, in a terminal, bars that move, elsewhere a line now and then."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self._last = time.monotonic()
        self.done = self.total = 0

    def begin(self, done: int, total: int) -> None:
        """How many of the steps are done already."""
        self.done, self.total = done, total
        if done:
            self._print(f"{done} of {total} steps are done already.")
        if self.console.is_terminal:
            self.live.start()

    def started(self, step: Step) -> None:
        """A step begins."""
        self._print(f"{step.title}:")
        for command in step.commands:
            self._print(f"  {command}")

    def finished(self, each: RunningStep) -> None:
        """A step is done."""
        self.done += 1
        self._print(f"{each.step.title}: done in {duration(each.record.wall)}")

    def show(self, running: Shown, left: float) -> None:
        """How far everything is."""
        overall = f"{self.done} of {self.total} steps done, about {duration(left)} left"
        if self.console.is_terminal:
            self.live.update(_table(running, overall), refresh=True)
        elif time.monotonic() - self._last >= _LINE_EVERY:
            self._last = time.monotonic()
            for each, seconds in running:
                self._print(f"    {each.step.title}: {_state(each)}{duration(seconds)} left")
            self._print(f"    all: {overall}")

    def end(self) -> None:
        """Take the bars away."""
        self.live.stop()

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False)
        sys.stdout.flush()


def duration(seconds: float) -> str:
    """Such as ``45 s`` and ``2 min 05 s``."""
    whole = max(round(seconds), 0)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def _table(running: Shown, overall: str) -> Table:
    table = Table.grid(padding=(0, 2))
    for each, seconds in running:
        filled = round((each.fraction or 0.0) * _BAR)
        bar = "━" * filled + "·" * (_BAR - filled)
        table.add_row(each.step.title, bar, _state(each).rstrip(", "), f"{duration(seconds)} left")
    table.add_row(overall)
    return table


def _state(each: RunningStep) -> str:
    share = "" if each.fraction is None else f"{each.fraction:.0%}, "
    return share + (f"loss {each.loss}, " if each.loss else "")
