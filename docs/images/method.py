"""Draws method.png beside this file: MIRL with four segments.

The pictures on the right are made from a generated image by blurring, to show what the words mean; no model drew them.

    python docs/images/method.py
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from PIL import Image, ImageFilter

from mirl_mm.shapes import EASY_STYLE, make_scene

OUT = Path(__file__).with_name("method.png")
WIDTH, HEIGHT = 100.0, 60.0  # of the drawing, in its own units
SEGMENTS = 4
MAIN, RESIDUAL, GREY, INK = "#0072B2", "#D55E00", "#8a8a8a", "#222222"
LIGHT = {MAIN: "#dcebf5", RESIDUAL: "#fae3d5", GREY: "#f0f0f0"}
COLUMNS = [34.0 + 11.0 * g for g in range(SEGMENTS)]  # middles of the segments
EMBED = 23.0  # and of the embedding
ENCODER, RAIL, DECODER, SUM = 51.0, 37.5, 26.5, 13.0  # heights of the rows


def colour(segment: int) -> str:
    """Shallow segments give main parts, deep ones residuals."""
    return MAIN if segment <= SEGMENTS // 2 else RESIDUAL


def box(axes: Axes, x: float, y: float, size: tuple[float, float], text: str, edge: str = GREY) -> None:
    """A rounded box with its middle at (x, y)."""
    width, height = size
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.9",
            facecolor=LIGHT[edge],
            edgecolor=edge,
            linewidth=1.1,
            zorder=3,
        )
    )
    axes.text(x, y, text, ha="center", va="center", fontsize=7.6, color=INK, zorder=4, linespacing=1.3)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], edge: str = INK, head: bool = True) -> None:
    """A line, with a head or without."""
    style = "-|>" if head else "-"
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle=style, mutation_scale=7, linewidth=1.1, color=edge, shrinkA=0, shrinkB=0, zorder=2
        )
    )


def tile(axes: Axes, picture: np.ndarray, x: float, y: float, side: float, title: str, edge: str = GREY) -> None:
    """A picture with its middle at (x, y)."""
    half = side / 2
    axes.imshow(picture, extent=(x - half, x + half, y - half, y + half), interpolation="nearest", zorder=3)
    axes.add_patch(
        FancyBboxPatch(
            (x - half, y - half),
            side,
            side,
            boxstyle="square,pad=0",
            fill=False,
            edgecolor=edge,
            linewidth=1.1,
            zorder=4,
        )
    )
    axes.text(x, y - half - 0.8, title, ha="center", va="top", fontsize=7.2, color=INK, linespacing=1.25)


def pictures() -> dict[str, np.ndarray]:
    """Masked, main, residual and sum of a generated image, uint8."""
    scene = Image.fromarray(make_scene(0, "val", 3, (96, 96), EASY_STYLE).image)
    whole = np.asarray(scene).astype(float)
    main = np.asarray(scene.filter(ImageFilter.GaussianBlur(6))).astype(float)
    hidden = np.random.default_rng(3).permutation(36).reshape(6, 6) >= 9  # a quarter of 6 x 6 patches is visible
    hidden = np.kron(hidden, np.ones((16, 16))).astype(bool)[..., None]
    found = {
        "masked": np.where(hidden, 200.0, whole),
        "main": main,
        "residual": whole - main + 128,
        "sum": whole,
    }
    return {name: picture.clip(0, 255).astype(np.uint8) for name, picture in found.items()}


def draw_encoder(axes: Axes, masked: np.ndarray) -> None:
    """From the masked image through the segments."""
    tile(axes, masked, 7.5, ENCODER, 12, "visible patches\nof the image")
    box(axes, EMBED, ENCODER, (8.5, 6.4), "embed")
    arrow(axes, (13.5, ENCODER), (EMBED - 4.25, ENCODER))
    before = EMBED + 4.25
    for g, x in enumerate(COLUMNS, start=1):
        box(axes, x, ENCODER, (8.5, 6.4), f"segment {g}", colour(g))
        arrow(axes, (before, ENCODER), (x - 4.25, ENCODER))
        before = x + 4.25
    axes.text(
        COLUMNS[1] + 5.5, ENCODER + 5.0, "encoder, its blocks cut into segments", ha="center", fontsize=8, color=INK
    )


def draw_decoders(axes: Axes) -> None:
    """Each segment's tokens go to its decoder; those of all before it arrive by the rail."""
    low = RAIL - 4.6
    for g, x in enumerate([EMBED, *COLUMNS]):
        axes.add_patch(Circle((x, RAIL), 2.0, facecolor="white", edgecolor=INK, linewidth=1.1, zorder=3))
        axes.text(x, RAIL, f"$z_{g}$", ha="center", va="center", fontsize=8, zorder=4)
        arrow(axes, (x, ENCODER - 3.2), (x, RAIL + 2.0))
        if g < SEGMENTS:
            arrow(axes, (x, RAIL - 2.0), (x, low), GREY, head=False)
        if g:
            arrow(axes, (x + 1.2, RAIL - 1.6), (x + 1.2, DECODER + 3.2))
            arrow(axes, (x - 2.6, low), (x - 2.6, DECODER + 3.2), GREY)
            box(axes, x, DECODER, (8.5, 6.4), f"decoder {g}", colour(g))
    axes.plot([EMBED, COLUMNS[-1] - 2.6], [low, low], color=GREY, linewidth=2.2, zorder=1, solid_capstyle="round")
    note = "tokens of all shallower\nsegments, for\ncross-attention"
    axes.text(EMBED - 2.5, low - 0.6, note, ha="right", va="top", fontsize=7.2, color="#5c5c5c", linespacing=1.25)


def draw_sums(axes: Axes) -> None:
    """Decoders g and G + 1 - g share a target."""
    middle = (COLUMNS[0] + COLUMNS[-1]) / 2
    for g, y in ((2, SUM + 4.3), (1, SUM - 3.4)):
        for segment in (g, SEGMENTS + 1 - g):
            x = COLUMNS[segment - 1]
            arrow(axes, (x, DECODER - 3.2), (x, y), colour(segment), head=False)
            side = -1 if segment <= SEGMENTS // 2 else 1
            arrow(axes, (x, y), (middle + side * 2.0, y), colour(segment))
            axes.text(
                x - 0.7, DECODER - 5.2, f"$y_{segment}$", ha="right", va="center", fontsize=8, color=colour(segment)
            )
        axes.add_patch(Circle((middle, y), 2.0, facecolor="white", edgecolor=INK, linewidth=1.1, zorder=3))
        axes.text(middle, y, "+", ha="center", va="center", fontsize=10, zorder=4)
    text = r"loss: mean of $(y_1+y_4-t)^2$ and $(y_2+y_3-t)^2$ at masked patches; $t$: normalised pixels"
    axes.text(middle, SUM - 8.6, text, ha="center", va="center", fontsize=7.6, color=INK)


def draw_example(axes: Axes, tiles: dict[str, np.ndarray]) -> None:
    """What main part and residual mean, one below the other."""
    x, side = 90.0, 11.5
    for y, name, sign, edge in ((50.5, "main", "+", MAIN), (32.0, "residual", "=", RESIDUAL), (13.5, "sum", "", GREY)):
        text = {"main": "main part\n(shallow)", "residual": "residual\n(deep)", "sum": "their sum"}[name]
        tile(axes, tiles[name], x, y, side, text, edge)
        axes.text(x - side / 2 - 2.6, y - 9.3, sign, ha="center", va="center", fontsize=12, color=INK)


def main() -> None:
    """Draw and write the file."""
    figure = Figure(figsize=(8.3, 8.3 * HEIGHT / WIDTH), dpi=200)
    axes = figure.add_axes((0, 0, 1, 1))
    tiles = pictures()
    draw_encoder(axes, tiles["masked"])
    draw_decoders(axes)
    draw_sums(axes)
    draw_example(axes, tiles)
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")
    axes.axis("off")
    figure.savefig(OUT, metadata={"Software": None}, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
