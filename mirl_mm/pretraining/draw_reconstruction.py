"""Pictures with many images in rows and columns, each labelled."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from mirl_mm.visualization.fonts import FAINT, INK, PAPER, font, shorten, wrap
from mirl_mm.visualization.scalars import term_title

from .reconstruction import Reconstruction

_CELL_SIDES = (112, 256)  # pixels: small images are magnified to the first, large ones reduced to the second
_GAP, _GROUP_GAP, _MARGIN = 4, 16, 12


def reconstruction_grid(result: Reconstruction, labels: Sequence[str] = (), title: str = "") -> np.ndarray:
    """One row per image: label, original, masked, and the predictions, each group's loss over them; a title on top.

    Returns:
        ``(height, width, 3)`` uint8 RGB.
    """
    losses = [{} for _ in range(len(result))]  # type: list[dict[str, str]]
    for name, values in result.losses.items():
        group = "prediction" if "prediction" in result.images else term_title(name)
        for row, value in zip(losses, values.tolist(), strict=True):
            row[group] = f"loss {value:.3f}"
    return draw_grid(result.images, labels or [""] * len(result), losses, title, result.caption)


def draw_grid(
    columns: Mapping[str, Tensor],
    labels: Sequence[str],
    notes: Sequence[Mapping[str, str]] = (),
    title: str = "",
    caption: str = "",
) -> np.ndarray:
    """Draw images in labelled rows and columns.

    Args:
        columns: Title of each column to its images, ``(B, 3, H, W)`` in 0..1. Neighbours whose titles start with the
            same group and a colon stand together under its name.
        labels: Of the rows; shortened where they don't fit.
        notes: For each row, small text over the last image of a group (or of a column alone), by its name.
        title: Goes on top.
        caption: Goes below, wrapped.

    Returns:
        ``(height, width, 3)`` uint8 RGB.
    """
    images = next(iter(columns.values()))
    cell = _cell_size(*images.shape[-2:])
    positions = list(_positions(columns, cell[0]))
    width = positions[-1].left + cell[0] + _MARGIN
    heading, text, small = font(16, bold=True), font(15), font(13)
    lines = wrap(caption, small, width - 2 * _MARGIN)
    titles_at = _MARGIN + (28 if title else 0)
    top = titles_at + (22 if any(column.group for column in positions) else 0) + 24
    row_height = 18 + cell[1] + _GAP
    canvas = Image.new("RGB", (width, top + row_height * len(labels) + 18 * len(lines) + 2 * _MARGIN), PAPER)
    draw = ImageDraw.Draw(canvas)

    draw.text((_MARGIN, _MARGIN), shorten(title, heading, width - 2 * _MARGIN), INK, heading)
    for group, members in groupby(positions, key=lambda column: column.group):
        span = list(members)
        if group:
            draw.text(((span[0].left + span[-1].left + cell[0]) / 2, titles_at), group, INK, heading, anchor="ma")
    for column in positions:
        draw.text((column.left + cell[0] / 2, top - 22), column.name, INK, text, anchor="ma")

    for row, label in enumerate(labels):
        y = top + row * row_height
        noted = _noted(positions, notes[row] if notes else {})
        room = min((column.left for column, _ in noted), default=width) - _MARGIN - _GAP
        draw.text((_MARGIN, y), shorten(label, small, room), FAINT, small)
        for column, note in noted:
            draw.text((column.left + cell[0], y), note, FAINT, small, anchor="ra")
        for column, pictures in zip(positions, columns.values(), strict=True):
            canvas.paste(_to_picture(pictures[row], cell), (column.left, y + 18))
    for i, line in enumerate(lines):
        draw.text((_MARGIN, top + row_height * len(labels) + _MARGIN + 18 * i), line, FAINT, small)
    return np.asarray(canvas)


def to_uint8(images: Tensor) -> np.ndarray:
    """``(..., 3, H, W)`` in 0..1 -> ``(..., H, W, 3)`` uint8."""
    return (images * 255).round().byte().movedim(-3, -1).cpu().numpy()


class _Column(NamedTuple):
    """Where a column stands: its group's name (empty if alone), its own, and its left edge in pixels."""

    group: str
    name: str
    left: int


def _positions(titles: Mapping[str, Tensor], cell_width: int) -> Iterator[_Column]:
    left, last = _MARGIN, None
    for title in titles:
        group, _, name = title.rpartition(": ")
        if last is not None:
            left += cell_width + (_GAP if group == last else _GROUP_GAP)
        yield _Column(group, name, left)
        last = group


def _noted(positions: Sequence[_Column], notes: Mapping[str, str]) -> list[tuple[_Column, str]]:
    """The column over which each note stands: the last of its group."""
    last = {column.group or column.name: column for column in positions}
    return [(last[name], note) for name, note in notes.items()]


def _cell_size(height: int, width: int) -> tuple[int, int]:
    """(width, height) in which an image is shown; magnified by whole numbers, so that pixels stay square and sharp."""
    smallest, largest = _CELL_SIDES
    factor = math.ceil(smallest / min(height, width)) if min(height, width) < smallest else 1.0
    if max(height, width) > largest:
        factor = largest / max(height, width)
    return round(width * factor), round(height * factor)


def _to_picture(image: Tensor, cell: tuple[int, int]) -> Image.Image:
    """``(3, H, W)`` in 0..1 -> a picture of the cell's size."""
    picture = Image.fromarray(to_uint8(image))
    grows = cell[0] >= picture.width
    return picture.resize(cell, Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS)
