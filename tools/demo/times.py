"""When the steps ran, without the pauses between one call of the demo and the next."""

from collections.abc import Iterable, Mapping

from .step import Record

Span = tuple[float, float]  # seconds


def active_spans(spans: Iterable[Span]) -> list[Span]:
    """The times in which anything ran: the spans, joined where they touch or overlap."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1] + 1.0:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def timeline(records: Mapping[str, Record]) -> tuple[dict[str, list[Span]], float]:
    """When each step ran, in seconds of active time from the first one's start, and the active time of all."""
    active = active_spans(span for record in records.values() for span in record.spans)
    shift, before = [], 0.0
    for start, end in active:
        shift.append((start, end, before))
        before += end - start

    def place(time: float) -> float:
        return next(past + time - start for start, end, past in shift if time <= end)

    places = {name: [(place(start), place(end)) for start, end in record.spans] for name, record in records.items()}
    return places, before
