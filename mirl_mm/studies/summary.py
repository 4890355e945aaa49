"""Means over seeds, their standard errors, and paired differences."""

import csv
import io
import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple


class Mean(NamedTuple):
    """Of some seeds.

    Attributes:
        value: The mean.
        error: Its standard error, s / sqrt(n) with the unbiased variance s²; None of a single seed.
        number: Of seeds.
    """

    value: float
    error: float | None
    number: int

    def text(self, decimals: int = 1, sign: bool = False) -> str:
        """Such as ``43.6 ± 0.4``; with ``sign``, ``+3.2 ± 0.5``."""
        value = f"{self.value:{'+' if sign else ''}.{decimals}f}"
        return value if self.error is None else f"{value} ± {self.error:.{decimals}f}"


def by_seed(numbers: Iterable[Any], **where: object) -> dict[int, float]:
    """Seed to value of the numbers whose attributes are these."""
    return {
        each.seed: each.value for each in numbers if all(getattr(each, name) == value for name, value in where.items())
    }


def mean(values: Collection[float]) -> Mean | None:
    """The mean of at least one value; None of none."""
    if not values:
        return None
    number = len(values)
    error = statistics.stdev(values) / math.sqrt(number) if number > 1 else None
    return Mean(statistics.fmean(values), error, number)


def paired(ours: Mapping[int, float], others: Mapping[int, float]) -> Mean | None:
    """The mean difference ours - others over the seeds that both have: what seeds have in common drops out."""
    return mean([ours[seed] - others[seed] for seed in sorted(ours.keys() & others.keys())])


def as_csv(fields: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of numbers, sorted."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows(sorted(rows, key=lambda row: [(type(value).__name__, value) for value in row]))
    return file.getvalue()
