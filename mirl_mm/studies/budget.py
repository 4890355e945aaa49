"""What of a grid fits into a time: the most valuable first."""

from collections.abc import Sequence

from .step import Step


def expected_seconds(steps: Sequence[Step], slots: int) -> float:
    """How long it takes to do what is not done of ``steps``, each begun as :func:`~.running.run_steps` does."""
    now, waiting = 0.0, [step for step in steps if not step.done]
    running: list[tuple[float, Step]] = []
    while waiting or running:
        open_steps = {*waiting, *(step for _, step in running)}
        ready = [step for step in waiting if not open_steps & set(step.needs)]
        for step in ready[: slots - len(running)]:
            waiting.remove(step)
            running.append((now + step.seconds * (1 - step.progress()[0]), step))
        if not running:
            raise ValueError(f"{waiting[0].name} needs what is not among the steps")
        now = min(end for end, _ in running)
        running = [(end, step) for end, step in running if end > now]
    return now


def choose(bundles: Sequence[Sequence[Step]], slots: int, seconds: float) -> list[Step]:
    """The steps that fit into ``seconds``.

    Args:
        bundles: By falling value; each is taken whole or not at all, as its steps are worth little without one
            another: a method's training without that of the method that it is compared with. What they need comes
            before.
        slots: Steps at a time.
        seconds: The budget.
    """
    chosen: list[Step] = []
    for bundle in bundles:
        tried = list(dict.fromkeys((*chosen, *bundle)))
        known = set(tried)
        if all(need.done or need in known for step in bundle for need in step.needs) and (
            expected_seconds(tried, slots) <= seconds
        ):
            chosen = tried
    return chosen


def correct(steps: Sequence[Step]) -> None:
    """Where steps of a kind have been done in one go, expect of the others what those took."""
    took: dict[str, list[float]] = {}
    for step in steps:
        if step.done and len(step.spans) == 1 and step.kind:
            took.setdefault(step.kind, []).append(step.wall)
    for step in steps:
        if known := took.get(step.kind):
            step.seconds = sum(known) / len(known)
