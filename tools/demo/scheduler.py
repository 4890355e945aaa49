"""Runs the steps, several at a time, and goes on from where it was stopped."""

import time
from collections.abc import Sequence

from .display import Display
from .estimate import Estimate
from .running import RunningStep
from .step import Ledger, Step

_TICK = 0.2  # seconds


def run_steps(steps: Sequence[Step], ledger: Ledger, slots: int, display: Display, hold: Sequence[int] = ()) -> None:
    """Do what is not done yet.

    Args:
        steps: All of them; those that come first begin first, as soon as what they need is done.
        ledger: What is done.
        slots: Steps at a time.
        display: Shows progress.
        hold: File descriptors that the tools keep open.

    Raises:
        StepFailed: If a tool fails; the others are stopped.
        KeyboardInterrupt: If we are; the tools are stopped first.
    """
    waiting = [step for step in steps if not ledger.is_done(step)]
    undone = {step.name for step in waiting}
    running: list[RunningStep] = []
    estimate = Estimate(slots)
    display.begin(done=len(steps) - len(waiting), total=len(steps))
    try:
        while waiting or running:
            ready = [step for step in waiting if not undone.intersection(step.needs)]
            for step in ready[: max(slots - len(running), 0)]:
                waiting.remove(step)
                display.started(step)
                running.append(RunningStep(step, ledger.begin(step), ledger.log(step), hold))
            for each in list(running):
                commands = each.record.commands
                done = each.poll()
                if each.record.commands != commands:
                    ledger.write(each.step)
                if done:
                    running.remove(each)
                    undone.discard(each.step.name)
                    estimate.finished(each)
                    display.finished(each)
            pace = estimate.pace(running)
            display.show(
                [(each, estimate.step_left(each, pace)) for each in running], estimate.all_left(running, waiting)
            )
            time.sleep(_TICK)
    finally:
        for each in running:
            each.interrupt()
        for each in running:
            each.end()
            ledger.write(each.step)
        display.end()
