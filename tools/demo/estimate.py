"""How long the rest will take."""

import heapq
from collections.abc import Mapping, Sequence

from .running import RunningStep
from .step import Step

_PRIOR = 20.0  # seconds of expectation that observations have to outweigh
_LATE = (
    0.05  # share of a step that is always left of one that takes longer than expected and doesn't tell how far it is
)


class Estimate:
    """Time left, from the expected seconds of each step and how fast this machine proves to be.

    Args:
        slots: Steps at a time.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._expected = self._taken = 0.0  # seconds, of the steps that are done

    def finished(self, each: RunningStep) -> None:
        """Learn from a step that is done."""
        expected, taken = each.evidence
        self._expected += expected
        self._taken += taken

    def pace(self, running: Sequence[RunningStep]) -> float:
        """How many times as long as expected things take here; near 1 as long as little is known."""
        expected = self._expected + sum(each.evidence[0] for each in running)
        taken = self._taken + sum(each.evidence[1] for each in running)
        return (taken + _PRIOR) / (expected + _PRIOR)

    def step_left(self, each: RunningStep, pace: float) -> float:
        """Seconds that a running step will still take."""
        later = sum(command.seconds for command in each.step.commands[each.record.commands + 1 :])
        whole = each.command.seconds * pace
        if each.fraction is not None:
            return whole * (1 - each.fraction) + later * pace
        return max(whole - each.seconds, whole * _LATE) + later * pace

    def all_left(self, running: Sequence[RunningStep], waiting: Sequence[Step]) -> float:
        """Seconds until everything is done, if each step begins as soon as it may."""
        pace = self.pace(running)
        ends = {each.step.name: self.step_left(each, pace) for each in running}
        return end_of_all(ends, waiting, {step.name: step.seconds * pace for step in waiting}, self.slots)


def end_of_all(ends: Mapping[str, float], waiting: Sequence[Step], seconds: Mapping[str, float], slots: int) -> float:
    """When the last step ends, in seconds from now.

    Args:
        ends: Of the running steps, by name.
        waiting: The others, in the order in which they begin if they may.
        seconds: What each of them takes.
        slots: Steps at a time.
    """
    rest, now = list(waiting), 0.0
    missing = {step.name for step in waiting} | set(ends)
    queue = [(end, name) for name, end in ends.items()]
    heapq.heapify(queue)
    while True:
        ready = [step for step in rest if not missing.intersection(step.needs)]
        for step in ready[: max(slots - len(queue), 0)]:
            rest.remove(step)
            heapq.heappush(queue, (now + seconds[step.name], step.name))
        if not queue:
            return now
        now, name = heapq.heappop(queue)
        missing.discard(name)
