"""Runs the steps, several at a time, and shows how far they are."""

import signal
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from .step import Step

_TICK = 0.2  # seconds
_LINE_EVERY = 15.0  # seconds, where there is no terminal


def run_steps(steps: Sequence[Step], slots: int, hold: Sequence[int] = ()) -> None:
    """Do what is not done yet.

    Args:
        steps: All of them; those that come first begin first, as soon as what they need is done.
        slots: Steps at a time.
        hold: File descriptors that the tools keep open.

    Raises:
        StepFailed: If a tool fails; the others are stopped.
        KeyboardInterrupt: If we are; the tools are stopped first.
    """
    begun = time.monotonic() - seconds_of(steps)
    waiting, running = [step for step in steps if not step.done], []
    with Display(steps) as display:
        try:
            while waiting or running:
                now = time.monotonic() - begun
                ready = [step for step in waiting if all(need.done for need in step.needs)]
                for step in ready[: slots - len(running)]:
                    waiting.remove(step)
                    step.start(now, hold)
                    running.append(step)
                    display.console.print(f"{step.title}:\n  python {step.command}")
                for step in list(running):
                    if step.poll(now):
                        running.remove(step)
                        display.console.print(f"{step.title}: done in {duration(step.wall)}")
                display.show(running)
                time.sleep(_TICK)
        finally:
            for step in running:
                step.signal(signal.SIGINT)
            for step in running:
                step.end(now)


class Display(Progress):
    """Below what is said: in a terminal bars that move, elsewhere a line now and then.

    The time left is what is left to do, at the speed of the last ten minutes: a start of tools counts for little then.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        console = Console(highlight=False, markup=False, soft_wrap=True)
        texts = [TextColumn(f"{{task.{name}}}") for name in ("description", "fields[loss]")]
        columns = (texts[0], BarColumn(24), TaskProgressColumn(), texts[1], TimeRemainingColumn(), TextColumn("left"))
        quiet = not console.is_terminal
        super().__init__(*columns, console=console, transient=True, speed_estimate_period=600, disable=quiet)
        self.steps, self.last = steps, time.monotonic()
        self.bars = {step: self.add_task(step.title, total=1.0, loss="", visible=False) for step in steps}
        self.all = self.add_task("", total=sum(step.seconds for step in steps), loss="")
        if done := sum(step.done for step in steps):
            self.console.print(f"{done} of {len(steps)} steps are done already.")

    def show(self, running: Sequence[Step]) -> None:
        """How far everything is."""
        done = [step for step in self.steps if step.done]
        seconds = sum(step.seconds for step in done)
        for step, bar in self.bars.items():
            if step in running:
                share, loss = step.progress()
                seconds += share * step.seconds
                self.update(bar, completed=share, loss=loss)
            self.update(bar, visible=step in running)
        self.update(self.all, completed=seconds, description=f"{len(done)} of {len(self.steps)} steps done")
        if self.disable and time.monotonic() - self.last >= _LINE_EVERY:
            self.last = time.monotonic()
            for task in self.tasks:
                loss = f", {task.fields['loss']}" if task.fields["loss"] else ""
                left = "" if task.time_remaining is None else f", {duration(task.time_remaining)} left"
                if task.visible:
                    self.console.print(f"    {task.description}: {task.percentage:.0f}%{loss}{left}")


def seconds_of(steps: Sequence[Step]) -> float:
    """From the demo's begin to its last step's end, without the pauses between one call of it and the next."""
    return max((end for step in steps for _, end in step.spans), default=0.0)


def duration(seconds: float) -> str:
    """Such as ``45 s`` and ``2 min 05 s``."""
    whole = max(round(seconds), 0)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
