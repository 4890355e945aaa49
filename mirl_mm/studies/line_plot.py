"""Plots of a study: means with their standard errors, a line for each thing compared."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from mirl_mm.probing.depth_plot import GREY, STYLES

from .summary import Mean


class Line(NamedTuple):
    """One of the things compared.

    Attributes:
        name: For the legend.
        points: Position on the x axis to a mean over seeds.
        baseline: Drawn dashed and grey.
    """

    name: str
    points: Mapping[int, Mean]
    baseline: bool = False


def plot_lines(panels: Mapping[str, Sequence[Line]], x_label: str, y_label: str, log: bool = False) -> Figure:
    """Plot lines with error bars of one standard error, a panel for each figure.

    Args:
        panels: Title to lines; a line has the same colour in all of them. Panels without a point are left out.
        x_label: Below.
        y_label: At the left.
        log: Whether the x axis is logarithmic.

    Raises:
        ValueError: If there is nothing to plot.
    """
    shown = {title: lines for title, lines in panels.items() if any(line.points for line in lines)}
    if not shown:
        raise ValueError("nothing to plot: no line has a point")
    figure = Figure(figsize=(1.2 + 4.6 * len(shown), 4.6), layout="constrained", dpi=130)
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    trained = [line.name for line in next(iter(shown.values())) if not line.baseline]
    handles = {}
    for axis, (title, lines) in zip(axes, shown.items(), strict=True):
        places = sorted({place for line in lines for place in line.points})
        for line in lines:
            xs = sorted(line.points)
            values = [line.points[x].value for x in xs]
            errors = [line.points[x].error or 0.0 for x in xs]
            colour, marker = (GREY, ".") if line.baseline else STYLES[trained.index(line.name) % len(STYLES)]
            dashes: Any = (0, (4, 2)) if line.baseline else "-"
            if xs:
                style: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": dashes, "capsize": 3}
                handles[line.name] = axis.errorbar(xs, values, errors, markerfacecolor="white", **style)
        axis.set_xscale("log" if log else "linear")
        axis.xaxis.set_major_locator(FixedLocator(places))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xticklabels([f"{place:,g}" for place in places])
        axis.set_title(title, loc="left", fontsize=12)
        axis.set_xlabel(x_label)
        axis.grid(axis="y", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.08, y=0.1)
    axes[0].set_ylabel(y_label)
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4, frameon=False)
    return figure
