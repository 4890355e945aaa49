"""The depth probe's plot: accuracy after each block, several encoders in one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

#: Okabe and Ito's colours, told apart with any colour vision, each with a marker of its own.
STYLES = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#E69F00", "v"),
    ("#56B4E9", "P"),
)
GREY = "#767676"
PANELS = {"knn_top1": "k-NN", "linear_top1": "linear classifier"}


@dataclass(frozen=True)
class DepthCurve:
    """One encoder's figures.

    Attributes:
        name: For the legend.
        figures: Depth in blocks to name of a figure to percent; see :data:`PANELS` for those that are drawn.
        depth: The encoder's blocks.
        baseline: Whether it has random weights: drawn dashed and grey.
        errors: Like ``figures``: half the height of a band around the curve.
    """

    name: str
    figures: Mapping[int, Mapping[str, float]]
    depth: int
    baseline: bool = False
    errors: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


def plot_depth(curves: Sequence[DepthCurve], borders: Sequence[int] = (), title: str = "") -> Figure:
    """Plot top-1 accuracy against depth, k-NN on the left and linear on the right.

    Each curve's best depth is filled, and told in the legend beside its last one: features that lose towards the end
    are the degradation that MIRL is about.

    Args:
        curves: One per encoder.
        borders: Blocks after which a segment ends, from 0: light vertical lines with the segments' numbers.
        title: Goes on top.

    Raises:
        ValueError: For no curve, or one without figures.
    """
    if not curves or not all(curve.figures for curve in curves):
        raise ValueError("nothing to plot: each curve needs the figures of at least one depth")
    figure = Figure(figsize=(12.5, 5.4), layout="constrained", dpi=130)
    axes = figure.subplots(1, len(PANELS))
    trained = [curve for curve in curves if not curve.baseline]
    for axis, (key, panel) in zip(axes, PANELS.items(), strict=True):
        for border in borders:
            axis.axvline(border, color="#DDDDDD", linewidth=1, zorder=0)
        for number, (start, stop) in enumerate(pairwise(borders), start=1):
            centre = ((start + stop) / 2, 1.0)
            above: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            axis.annotate(str(number), centre, (0, 2), ha="center", va="bottom", fontsize=8.5, color=GREY, **above)
        for curve in curves:
            style = (GREY, "") if curve.baseline else STYLES[trained.index(curve) % len(STYLES)]
            _draw(axis, curve, key, *style)
        depth = max(curve.depth for curve in curves)
        axis.set_title(panel, loc="left", fontsize=12, pad=16 if borders else None)
        axis.set_xlabel("depth in blocks (0: the embedding" + ("; on top: segments)" if borders else ")"))
        axis.set_ylabel("top-1 accuracy (%)")
        axis.set_xlim(-0.025 * depth, 1.025 * depth)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 4, 5, 10]))
        axis.grid(axis="y", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(y=0.08)
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False, fontsize=9.5)
    if title:
        figure.suptitle(title, fontsize=14, x=0.01, horizontalalignment="left")
    return figure


def _draw(axis: Axes, curve: DepthCurve, key: str, colour: str, marker: str) -> None:
    depths = sorted(curve.figures)
    values = [curve.figures[depth][key] for depth in depths]
    best = max(range(len(depths)), key=values.__getitem__)
    label = f"{curve.name}: best {values[best]:.1f} after {depths[best]}, last {values[-1]:.1f}"
    line: dict[str, Any] = {"color": colour, "label": label, "linewidth": 1.5 if curve.baseline else 2.0}
    if curve.errors:
        errors = [curve.errors[depth][key] for depth in depths]
        low, high = ([value + sign * error for value, error in zip(values, errors, strict=True)] for sign in (-1, 1))
        axis.fill_between(depths, low, high, color=colour, alpha=0.18, linewidth=0, zorder=1)
    if curve.baseline:
        axis.plot(depths, values, linestyle=(0, (4, 2)), zorder=2, **line)
        return
    size = 5.5 if len(depths) <= 30 else 4
    axis.plot(depths, values, marker=marker, markersize=size, markerfacecolor="white", zorder=3, **line)
    axis.plot(depths[best], values[best], marker=marker, markersize=size + 4, color=colour, zorder=4)
