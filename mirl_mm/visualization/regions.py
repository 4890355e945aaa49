"""Images divided into regions: each pixel's class in its colour, and a legend of what is there."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw

from .fonts import FAINT, INK, PAPER, font, shorten

_SIDES = (320, 720)  # pixels of a panel's longer side: small images are magnified to the first, large ones reduced
_GAP, _MARGIN, _LINE = 10, 14, 22
_NAMES = 190  # pixels for a class's name
_NUMBERS = 74  # pixels for a column of numbers


class Entry(NamedTuple):
    """A line of a legend: the class's colour and name, and numbers as text."""

    colour: Sequence[int]
    name: str
    numbers: Sequence[str]


def paint_regions(
    image: np.ndarray, labels: np.ndarray, palette: np.ndarray, opacity: float = 0.5, known: np.ndarray | None = None
) -> np.ndarray:
    """The image tinted by the class of each pixel, with thin white lines between classes.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        labels: ``(H, W)``, class indices.
        palette: ``(C, 3)`` uint8 RGB.
        opacity: How much of a class's colour covers the image, 0..1.
        known: ``(H, W)`` bool; pixels without label (False) stay as they are, whatever their number. Default: all.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    known = np.ones(labels.shape, dtype=bool) if known is None else known
    colours = palette[np.where(known, labels, 0)]
    drawn = np.where(known[..., None], (image * (1 - opacity) + colours * opacity).astype(np.uint8), image)
    told = np.where(known, labels.astype(np.int64), -1)
    borders = np.zeros(labels.shape, dtype=bool)  # whose lower or right neighbour is of another class
    borders[:-1] |= told[:-1] != told[1:]
    borders[:, :-1] |= told[:, :-1] != told[:, 1:]
    drawn[borders & known] = 255
    return drawn


def draw_regions(
    panels: Sequence[tuple[str, np.ndarray]],
    legend: Sequence[Entry],
    headings: Sequence[str] = (),
    title: str = "",
) -> np.ndarray:
    """Pictures of one size side by side, with a legend at their right.

    Args:
        panels: Titles and pictures, ``(H, W, 3)`` uint8 RGB.
        legend: As many lines as there is room for are drawn, and how many more there are.
        headings: Over the legend's numbers.
        title: Goes on top.

    Returns:
        ``(height, width, 3)`` uint8 RGB.
    """
    height, width = panels[0][1].shape[:2]
    top = _MARGIN + (30 if title else 0) + _LINE
    left = _MARGIN + len(panels) * (width + _GAP)
    room = max(height, 8 * _LINE)
    wide = _LINE + _NAMES + _NUMBERS * len(headings)
    sheet = Image.new("RGB", (left + wide + _MARGIN, top + room + _MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    big, small = font(16, bold=True), font(13)
    draw.text((_MARGIN, _MARGIN), shorten(title, big, sheet.width - 2 * _MARGIN), INK, big)
    for i, (name, picture) in enumerate(panels):
        x = _MARGIN + i * (width + _GAP)
        draw.text((x, top - _LINE), shorten(name, small, width), FAINT, small)
        sheet.paste(Image.fromarray(picture), (x, top))
    for i, heading in enumerate(headings):
        draw.text((left + _LINE + _NAMES + (i + 1) * _NUMBERS, top - _LINE), heading, FAINT, small, anchor="ra")
    lines = room // _LINE
    shown = legend if len(legend) <= lines else legend[: lines - 1]
    for i, entry in enumerate(shown):
        y = top + i * _LINE
        draw.rectangle((left, y, left + 14, y + 14), tuple(entry.colour), outline=(60, 60, 60))
        draw.text((left + _LINE, y), shorten(entry.name, small, _NAMES), INK, small)
        for j, number in enumerate(entry.numbers):
            draw.text((left + _LINE + _NAMES + (j + 1) * _NUMBERS, y), number, INK, small, anchor="ra")
    if len(shown) < len(legend):
        draw.text((left + _LINE, top + len(shown) * _LINE), f"and {len(legend) - len(shown)} more", FAINT, small)
    return np.asarray(sheet)


def panel_size(size: tuple[int, int], sides: tuple[int, int] = _SIDES) -> tuple[int, int]:
    """(H, W) in which an image is shown: magnified by a whole number, or reduced."""
    scale = display_scale(size, sides)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def display_scale(size: tuple[int, ...], sides: tuple[int, int]) -> float:
    """By what an image of (H, W) is magnified, a whole number, or reduced, to have a longer side between ``sides``."""
    longer = max(size)
    return max(sides[0] // longer, 1) if longer < sides[0] else min(1.0, sides[1] / longer)


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image in another size (H, W), without moiré."""
    larger = size[0] > image.shape[0]
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_NEAREST if larger else cv2.INTER_AREA)


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Labels in another size (H, W); no new ones arise."""
    rows = (np.arange(size[0]) + 0.5) * labels.shape[0] / size[0]
    columns = (np.arange(size[1]) + 0.5) * labels.shape[1] / size[1]
    return labels[rows.astype(int)[:, None], columns.astype(int)]
