"""The order of the parts, and the time expected for all of them."""

from collections.abc import Sequence

from .plan import Part

#: Of the GPU's memory, what parts may plan to use together.
_SHARE = 0.9


def next_part(waiting: Sequence[Part], running: Sequence[Part], jobs: int, memory: float) -> Part | None:
    """The first part that can be started beside others; None if there is none now.

    Args:
        waiting: In their order. None is started before one that has to be by itself, or it would never be.
        running: At this moment.
        jobs: Parts at a time.
        memory: Gigabytes of the GPU.
    """
    if len(running) >= jobs or any(part.by_itself for part in running):
        return None
    for part in waiting:
        if part.by_itself and running:
            return None
        if not running or part.gigabytes + sum(other.gigabytes for other in running) <= _SHARE * memory:
            return part
    return None


def expected_seconds(parts: Sequence[Part], jobs: int, memory: float) -> float:
    """How long all takes by the plan's figures, if each first does what it can beside others and then measures alone.

    Args:
        parts: In their order.
        jobs: Parts at a time.
        memory: Gigabytes of the GPU.
    """
    now, turn = 0.0, 0.0  # turn: when the device is free for a part that measures
    waiting = list(parts)
    running: list[tuple[Part, float]] = []  # with their ends
    while waiting or running:
        if part := next_part(waiting, [other for other, _ in running], jobs, memory):
            waiting.remove(part)
            turn = max(now + part.beside, turn) + part.alone
            running.append((part, turn))
        else:
            now = min(end for _, end in running)
            running = [(other, end) for other, end in running if end > now]
    return now
