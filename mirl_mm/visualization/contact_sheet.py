"""Contact sheets: many images, each with what was found in it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from .fonts import FAINT, INK, PAPER, font, shorten

_GAP, _MARGIN, _LINE = 14, 14, 19
_BAR = (190, 215, 240)


class Entry(NamedTuple):
    """One image of a sheet.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB.
        title: Above it, such as its file name.
        scores: Names with shares in 0..1, best first, below it with bars.
    """

    image: np.ndarray
    title: str
    scores: Sequence[tuple[str, float]]


def contact_sheet(
    entries: Sequence[Entry],
    columns: int = 4,
    title: str = "",
    cell: int = 192,
    legend: Sequence[tuple[Sequence[int], str]] = (),
) -> np.ndarray:
    """Draw images side by side, each with its scores.

    Args:
        entries: At least one.
        columns: Images in a row.
        title: Goes on top.
        cell: Pixels of an image's longer side.
        legend: Colours and what they mean, below all images.

    Returns:
        ``(height, width, 3)`` uint8 RGB.
    """
    columns = min(columns, len(entries))
    below = max(len(entry.scores) for entry in entries) * _LINE
    pictures = []
    for entry in entries:
        picture = Image.fromarray(entry.image)
        factor = cell / max(picture.size)
        fitted = (max(round(picture.width * factor), 1), max(round(picture.height * factor), 1))
        pictures.append(picture.resize(fitted, Image.Resampling.BICUBIC if factor > 1 else Image.Resampling.LANCZOS))
    starts = range(0, len(pictures), columns)
    heights = [max(picture.height for picture in pictures[start : start + columns]) for start in starts]
    tops = [_MARGIN + (30 if title else 0)]
    for height in heights:
        tops.append(tops[-1] + _LINE + height + below + _GAP)
    big, small = font(16, bold=True), font(13)
    width = 2 * _MARGIN + columns * (cell + _GAP) - _GAP
    named = max(min(width - 2 * _MARGIN - _LINE, 200), 1)
    corners = _flow([min(small.getlength(name), named) for _, name in legend], width)
    below_all = (corners[-1][1] + _LINE + _GAP) if corners else 0
    size = width, tops[-1] - _GAP + _MARGIN + int(below_all)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), shorten(title, big, size[0] - 2 * _MARGIN), INK, big)
    for i, (entry, picture) in enumerate(zip(entries, pictures, strict=True)):
        left, top, height = _MARGIN + i % columns * (cell + _GAP), tops[i // columns], heights[i // columns]
        draw.text((left, top), shorten(entry.title, small, cell), FAINT, small)
        sheet.paste(picture, (left + (cell - picture.width) // 2, top + _LINE + (height - picture.height) // 2))
        for line, (name, share) in enumerate(entry.scores):
            y = top + _LINE + height + 3 + line * _LINE
            draw.rectangle((left, y, left + round(share * (cell - 1)), y + _LINE - 4), _BAR)
            number = f"{share:.0%}"
            draw.text((left + cell - 3, y), number, FAINT, small, anchor="ra")
            draw.text((left + 3, y), shorten(name, small, cell - 12 - small.getlength(number)), INK, small)
    for (colour, name), (x, y) in zip(legend, corners, strict=True):
        y += tops[-1]
        draw.rectangle((x, y, x + 14, y + 14), tuple(colour), outline=(60, 60, 60))
        draw.text((x + _LINE, y), shorten(name, small, named), INK, small)
    return np.asarray(sheet)


def _flow(widths: Sequence[float], width: int) -> list[tuple[float, int]]:
    """Left upper corners of a legend's items, in lines within a sheet's width."""
    corners: list[tuple[float, int]] = []
    x, y = float(_MARGIN), 0
    for each in widths:
        if x > _MARGIN and x + _LINE + each > width - _MARGIN:
            x, y = float(_MARGIN), y + _LINE
        corners.append((x, y))
        x += _LINE + each + 2 * _GAP
    return corners
