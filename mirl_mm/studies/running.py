"""Runs the steps, several at a time, and shows how far they are.

Make or an engine of workflows would order and restart commands; what is here is what they lack: a training that was
broken off goes on, a changed setting is noticed whatever file it is in, and the time left is known.
"""

import fcntl
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from .step import Step, StepFailed

_TICK = 0.2  # seconds
_LINE_EVERY = 15.0  # seconds, where there is no terminal


@contextmanager
def locked(path: Path, waiting_for: str) -> Iterator[int]:
    """Hold a lock that ends with its holders, however they end; yields its file descriptor, for those to inherit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for {waiting_for}", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def run_steps(
    steps: Sequence[Step],
    slots: int | Sequence[Mapping[str, str]],
    hold: Sequence[int] = (),
    may_start: Callable[[Step], bool] = lambda step: True,
    patient: bool = False,
) -> list[StepFailed]:
    """Do what is not done yet.

    Args:
        steps: All of them; those that come first begin first, as soon as what they need is done.
        slots: Steps at a time, or for each of them the variables of its tools, such as a GPU's number.
        hold: File descriptors that the tools keep open.
        may_start: Asked before a step is started; one that may not is left out, with what needs it.
        patient: Go on with the others where a tool fails.

    Returns:
        With ``patient``, what failed.

    Raises:
        StepFailed: If a tool fails and we aren't patient; the others are stopped.
        KeyboardInterrupt: If we are; the tools are stopped first.
    """
    begun = time.monotonic() - seconds_of(steps)
    free: list[Mapping[str, str]] = [{}] * slots if isinstance(slots, int) else list(slots)
    waiting, running = [step for step in steps if not step.done], dict[Step, Mapping[str, str]]()
    failures: list[StepFailed] = []
    with Display(steps) as display:
        try:
            while True:
                now = time.monotonic() - begun
                for step in [step for step in waiting if all(need.done for need in step.needs)]:
                    if not free:
                        break
                    waiting.remove(step)
                    if may_start(step):
                        running[step] = free.pop()
                        step.start(now, hold, running[step])
                        display.console.print(f"{step.title}:\n  python {step.command}")
                for step in list(running):
                    try:
                        ended = step.poll(now)
                    except StepFailed as error:
                        if not patient:
                            raise
                        failures.append(error)
                        free.append(running.pop(step))
                        display.console.print(f"{step.title}: {error}")
                        continue
                    if ended:
                        free.append(running.pop(step))
                        display.console.print(f"{step.title}: done in {duration(step.wall)}")
                if not running and not any(all(need.done for need in step.needs) for step in waiting):
                    return failures
                display.show(list(running))
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
    """From the first step's begin to the last one's end, without the pauses between one call and the next."""
    return max((end for step in steps for _, end in step.spans), default=0.0)


def duration(seconds: float) -> str:
    """Such as ``45 s``, ``2 min 05 s`` and ``3 h 20 min``."""
    whole = max(round(seconds), 0)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
