"""Plots as SVG that is part of the page: its fonts, and colours that follow its light or dark scheme."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from .markup import escape

Points = Sequence[tuple[float, float]]

#: Colours in matplotlib's terms, and the variables of page.css that take their places.
INK, RULE = "#010101", "#020202"
COLOURS = {INK: "--ink-2", RULE: "--rule"}
for _number in range(1, 5):
    COLOURS[f"#0{_number}0{_number}03"] = f"--series-{_number}"
MIRL, RANDOM, THIRD, FOURTH = list(COLOURS)[2:]

_STYLE: Any = {  # its type is a list of all of matplotlib's settings
    "svg.fonttype": "none",  # text stays text
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Line:
    """A line of a plot.

    Attributes:
        name: In the legend.
        points: (x, y).
        colour: One of :data:`COLOURS`.
        dashed: For baselines.
        dots: A mark at each point and no line.
    """

    name: str
    points: Points
    colour: str
    dashed: bool = False
    dots: bool = False


def plot(
    lines: Sequence[Line],
    name: str,
    alt: str,
    xlabel: str,
    ylabel: str,
    borders: Sequence[int] = (),
    width: float = 4.6,
) -> str:
    """A plot as an ``<svg>`` element.

    Args:
        lines: What is drawn.
        name: Of letters; no other plot of the page has it.
        alt: What it shows, for those who can't see it.
        xlabel: Below.
        ylabel: On top of the axis.
        borders: Values of x with a light vertical line, between which the segments' numbers stand.
        width: In inches at which letters have their proper size; less where the plot will be small.
    """
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        drawing = Figure(figsize=(width, 0.4 * width + 1.0), layout="constrained")
        axes = drawing.subplots()
        for line in lines:
            _draw(axes, line)
        axes.set_xlabel(xlabel)
        axes.set_title(ylabel, loc="left", fontsize=10, pad=16 if borders else 8)
        axes.xaxis.set_major_locator(FixedLocator(borders) if borders else MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        for number, border in enumerate(borders):
            axes.axvline(border, color=RULE, linewidth=0.6, zorder=0)
            if number:
                place = ((border + borders[number - 1]) / 2, 1.01)
                axes.text(*place, str(number), transform=axes.get_xaxis_transform(), ha="center", fontsize=8.5)
        buffer = io.StringIO()
        FigureCanvasSVG(drawing).print_svg(buffer, metadata={"Date": None})
    return _inline(buffer.getvalue(), name, alt)


def legend(entries: Mapping[str, tuple[str, str]]) -> str:
    """Names with a sample of their line, as HTML: name to (colour, ``line``, ``dashed`` or ``dots``)."""
    items = (
        f'<li><span class="key {kind}" style="--key: var({COLOURS[colour]})"></span>{name}</li>'
        for name, (colour, kind) in entries.items()
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def legend_of(lines: Sequence[Line]) -> str:
    """The legend of a plot."""
    return legend(
        {line.name: (line.colour, "dots" if line.dots else "dashed" if line.dashed else "line") for line in lines}
    )


def _draw(axes: Axes, line: Line) -> None:
    x, y = zip(*line.points, strict=True)
    if line.dots:
        axes.plot(x, y, "o", color=line.colour, markersize=6)
    else:
        axes.plot(x, y, color=line.colour, linewidth=1.8, linestyle=(0, (4, 2)) if line.dashed else "-")


def _inline(document: str, name: str, alt: str) -> str:
    """A file's content -> an element of the page, as wide as its place."""
    svg = document[document.index("<svg") :]
    view = re.search(r'viewBox="[^"]*"', svg)
    assert view is not None  # matplotlib always writes one
    inner = svg[svg.index(">") + 1 :]
    inner = re.sub(r"<metadata>.*?</metadata>", "", inner, flags=re.DOTALL)
    for colour, variable in COLOURS.items():
        inner = inner.replace(colour, f"var({variable})")
    inner = re.sub(r'\bid="', f'id="{name}-', inner)
    inner = re.sub(r'href="#', f'href="#{name}-', inner)
    inner = inner.replace("url(#", f"url(#{name}-")
    return f'<svg {view[0]} role="img" aria-label="{escape(alt)}" xmlns:xlink="http://www.w3.org/1999/xlink">{inner}'
