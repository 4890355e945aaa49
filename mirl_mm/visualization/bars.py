"""Horizontal bars, one for each class."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure


class Bar(NamedTuple):
    """A name, its value (NaN: there is none), and what stands at the bar's end."""

    name: str
    value: float
    note: str


def plot_bars(
    bars: Sequence[Bar], label: str, title: str = "", logarithmic: bool = False, mean: float | None = None
) -> Figure:
    """Draw bars, the longest on top.

    Args:
        bars: At least one.
        label: Of the values' axis.
        title: Goes on top.
        logarithmic: Whether the axis is; values of 0 then have no bar.
        mean: Where a dashed line goes, if given.
    """
    ordered = sorted(bars, key=lambda bar: -np.inf if np.isnan(bar.value) else bar.value)
    figure = Figure(figsize=(8, 1.4 + 0.24 * len(bars)), layout="constrained", dpi=110)
    axes = figure.subplots()
    values = np.nan_to_num([bar.value for bar in ordered])
    axes.barh(range(len(bars)), values, color="#56b4e9", height=0.75)
    axes.set_yticks(range(len(bars)), [bar.name for bar in ordered], fontsize=8)
    axes.set_ylim(-0.6, len(bars) - 0.4)
    positive = values[values > 0]
    if logarithmic and len(positive):
        axes.set_xscale("log")
        axes.set_xlim(positive.min() / 2, positive.max() * 6)
    else:
        axes.set_xlim(0, max(values.max() * 1.2, 1e-6))
    start = axes.get_xlim()[0]
    for row, (bar, value) in enumerate(zip(ordered, values, strict=True)):
        axes.annotate(bar.note, (max(value, start), row), (4, 0), textcoords="offset points", va="center", fontsize=7)
    if mean is not None:
        axes.axvline(mean, color="#d55e00", linestyle="--", linewidth=1)
    axes.set_xlabel(label)
    axes.set_title(title)
    axes.grid(axis="x", alpha=0.25)
    return figure
