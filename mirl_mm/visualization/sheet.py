"""Contact sheets: many images, each with what was found in it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from .lettering import font, shorten

_CELL, _GAP, _MARGIN, _LINE = 192, 14, 14, 19
_INK, _FAINT, _PAPER, _BAR = (20, 20, 20), (100, 100, 100), (255, 255, 255), (190, 215, 240)


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


def contact_sheet(entries: Sequence[Entry], columns: int = 4, title: str = "") -> np.ndarray:
    """Draw images side by side, each with its scores.

    Args:
        entries: At least one.
        columns: Images in a row.
        title: Goes on top.

    Returns:
        ``(height, width, 3)`` uint8 RGB.
    """
    columns = min(columns, len(entries))
    below = max(len(entry.scores) for entry in entries)
    height = _LINE + _CELL + below * _LINE + _GAP
    head = 30 if title else 0
    size = (
        2 * _MARGIN + columns * (_CELL + _GAP) - _GAP,
        2 * _MARGIN + head + -(-len(entries) // columns) * height - _GAP,
    )
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    big, small = font(16, bold=True), font(13)
    draw.text((_MARGIN, _MARGIN), shorten(title, big, size[0] - 2 * _MARGIN), _INK, big)
    for i, entry in enumerate(entries):
        left = _MARGIN + i % columns * (_CELL + _GAP)
        top = _MARGIN + head + i // columns * height
        draw.text((left, top), shorten(entry.title, small, _CELL), _FAINT, small)
        picture = _fit(entry.image)
        sheet.paste(picture, (left + (_CELL - picture.width) // 2, top + _LINE + (_CELL - picture.height) // 2))
        for row, (name, share) in enumerate(entry.scores):
            y = top + _LINE + _CELL + 3 + row * _LINE
            draw.rectangle((left, y, left + round(share * (_CELL - 1)), y + _LINE - 4), _BAR)
            number = f"{share:.0%}"
            draw.text((left + _CELL - 3, y), number, _FAINT, small, anchor="ra")
            draw.text((left + 3, y), shorten(name, small, _CELL - 12 - small.getlength(number)), _INK, small)
    return np.asarray(sheet)


def _fit(image: np.ndarray) -> Image.Image:
    """The image, its longer side as long as a cell's."""
    picture = Image.fromarray(image)
    factor = _CELL / max(picture.size)
    size = (max(round(picture.width * factor), 1), max(round(picture.height * factor), 1))
    return picture.resize(size, Image.Resampling.BICUBIC if factor > 1 else Image.Resampling.LANCZOS)
