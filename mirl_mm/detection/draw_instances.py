"""Objects in images: boxes, masks and what they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw

from mirl_mm.visualization.fonts import font
from mirl_mm.visualization.palette import class_colour, ink_on
from mirl_mm.visualization.regions import display_scale, panel_size, resize_image

_IGNORED = (150, 150, 150)
_FILL = 0.4  # how much of a mask's colour covers the image
_SIDES = (640, 1600)  # pixels: small pictures are magnified so that names are legible and cover little

_Span = tuple[int, int, int, int]  # left, top, right, bottom; in pixels of the picture


@dataclass(frozen=True)
class Instance:
    """An object to be drawn.

    Attributes:
        box: (x1, y1, x2, y2) in the image's pixels.
        label: Index of its class, which gives the colour.
        text: Beside the box, such as a name and a score.
        mask: ``(H, W)`` bool, or None.
        ignored: Drawn grey and dashed, if it counts neither as found nor as missed.
    """

    box: Sequence[float]
    label: int
    text: str
    mask: np.ndarray | None = None
    ignored: bool = False

    @property
    def colour(self) -> tuple[int, int, int]:
        """RGB of its lines and mask."""
        return _IGNORED if self.ignored else class_colour(self.label)


def draw_instances(
    image: np.ndarray, instances: Sequence[Instance], sides: tuple[int, int] | None = None
) -> np.ndarray:
    """Draw objects into an image.

    Large ones are drawn first, so that small ones stay visible; texts are drawn last and avoid each other.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        instances: What to draw.
        sides: The picture's longer side in pixels, at least and at most: a smaller image is magnified by a whole
            number, a larger one reduced. Default: about 640 and 1600.

    Returns:
        ``(height, width, 3)`` uint8 RGB.
    """
    sides = sides or _SIDES
    scale = display_scale(image.shape[:2], sides)
    canvas = resize_image(image, panel_size(image.shape[:2], sides))
    ordered = sorted(instances, key=lambda item: -(item.box[2] - item.box[0]) * (item.box[3] - item.box[1]))
    width = max(2, round(max(canvas.shape[:2]) / 250))
    for item in ordered:
        if item.mask is not None:
            _draw_mask(canvas, item.mask, item.colour, width)
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    spans = [_span(item.box, scale, picture.size) for item in ordered]
    for item, span in zip(ordered, spans, strict=True):
        (_dashed if item.ignored else _outlined)(draw, span, item.colour, width)
    _draw_texts(draw, [(item, span) for item, span in zip(ordered, spans, strict=True) if item.text], picture.size)
    return np.asarray(picture)


def _span(box: Sequence[float], scale: float, size: tuple[int, int]) -> _Span:
    """A box in the picture's pixels; at least one pixel of it is inside."""
    x1, y1, x2, y2 = (round(float(value) * scale) for value in box)
    left, top = min(max(x1, 0), size[0] - 1), min(max(y1, 0), size[1] - 1)
    return left, top, min(max(x2 - 1, left), size[0] - 1), min(max(y2 - 1, top), size[1] - 1)


def _draw_mask(canvas: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int], width: int) -> None:
    """Tint the mask's pixels and trace its edge, in place."""
    height, length = canvas.shape[:2]
    resized = cv2.resize(mask.astype(np.uint8), (length, height), interpolation=cv2.INTER_NEAREST)
    inside = resized.astype(bool)
    canvas[inside] = (canvas[inside] * (1 - _FILL) + np.array(colour) * _FILL).astype(np.uint8)
    edges, _ = cv2.findContours(resized, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    cv2.polylines(canvas, edges, True, colour, max(width - 1, 1), cv2.LINE_AA)


def _outlined(draw: ImageDraw.ImageDraw, span: _Span, colour: tuple[int, int, int], width: int) -> None:
    """A line around the box, half of it outside, with a dark edge to be seen on any ground."""
    left, top, right, bottom = span
    grown = (left - width // 2, top - width // 2, right + width // 2, bottom + width // 2)
    draw.rectangle((grown[0] - 1, grown[1] - 1, grown[2] + 1, grown[3] + 1), outline=(60, 60, 60))
    draw.rectangle(grown, outline=colour, width=width)


def _dashed(draw: ImageDraw.ImageDraw, span: _Span, colour: tuple[int, int, int], width: int) -> None:
    left, top, right, bottom = span
    dash = 4 * width
    for x in range(left, right + 1, 2 * dash):
        for y in (top, bottom):
            draw.line((x, y, min(x + dash, right), y), colour, width)
    for y in range(top, bottom + 1, 2 * dash):
        for x in (left, right):
            draw.line((x, y, x, min(y + dash, bottom)), colour, width)


def _draw_texts(draw: ImageDraw.ImageDraw, items: Sequence[tuple[Instance, _Span]], size: tuple[int, int]) -> None:
    large = min(max(round(max(size) / 45), 13), 24)
    taken: list[_Span] = []
    for item, span in items:
        # Small objects have small texts, so that crowds stay visible.
        letters = font(large if min(span[2] - span[0], span[3] - span[1]) > 4 * large else max(round(large * 0.75), 10))
        length, height = round(letters.getlength(item.text)) + 6, round(letters.size) + 4
        positions = [_within(corner, length, height, size) for corner in _corners(span, length, height)]
        position = next((p for p in positions if not any(_overlap(p, other) for other in taken)), positions[0])
        taken.append(position)
        draw.rectangle(position, fill=item.colour)
        middle = (position[0] + 3, (position[1] + position[3]) / 2)
        draw.text(middle, item.text, ink_on(item.colour), letters, anchor="lm")


def _corners(span: _Span, length: int, height: int) -> Iterator[tuple[int, int]]:
    """Top left corners where a text may stand, the best first: on the box's top, within it, below, at its right end."""
    left, top, right, bottom = span
    yield left, top - height
    yield left, top
    yield left, bottom + 1
    yield right - length + 1, top - height
    yield right - length + 1, bottom + 1
    yield left, bottom - height
    yield right - length + 1, top
    yield right + 2, top


def _within(corner: tuple[int, int], length: int, height: int, size: tuple[int, int]) -> _Span:
    left = max(min(corner[0], size[0] - length), 0)
    top = max(min(corner[1], size[1] - height), 0)
    return left, top, left + length - 1, top + height - 1


def _overlap(a: _Span, b: _Span) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
