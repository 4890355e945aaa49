"""The shapes themselves: closed outlines, and how one is rasterised.

An outline is scaled to the area of the unit disc and has its centroid at the origin, so that the *radius* of an object
means the same for every class: the radius of the disc with equal area. The classes stay apart under rotation and mild
stretching, which is why there is no hexagon (a circle when small) and no diamond (a square when turned).
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Ring = NDArray[np.float64]  # (V, 2): x, y of the vertices of one closed line
Outline = tuple[Ring, ...]  # the outer line, then holes

_SUPERSAMPLING = 4  # 4 x 4 samples per pixel: 17 grey levels along an edge


def _on_circle(angles: NDArray[np.floating], radius: float | NDArray[np.float64] = 1.0) -> Ring:
    return np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=-1)


def _crescent() -> Ring:
    # The unit disc without a smaller disc on its right; both circles pass through the two horns.
    offset, inner = 0.55, 0.8
    horn_x = (1 - inner**2 + offset**2) / (2 * offset)
    horn = math.acos(horn_x)
    inner_horn = math.atan2(math.sin(horn), horn_x - offset)
    outer_arc = _on_circle(np.linspace(horn, 2 * math.pi - horn, 48))
    inner_arc = _on_circle(np.linspace(2 * math.pi - inner_horn, inner_horn, 32), inner) + np.array([offset, 0])
    return np.concatenate([outer_arc, inner_arc[1:-1]])


def _cross() -> Ring:
    arm = 0.34
    corner = np.array([(arm, arm), (arm, 1), (-arm, 1)])
    quarter_turn = np.array([(0, 1), (-1, 0)])
    return np.concatenate([corner @ np.linalg.matrix_power(quarter_turn, k) for k in range(4)])


def _heart() -> Ring:
    # The sine-cubed heart curve (https://mathworld.wolfram.com/HeartCurve.html).
    t = np.linspace(0, 2 * math.pi, 64, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([16 * np.sin(t) ** 3, -y], axis=-1)


def _area_and_centroid(ring: Ring) -> tuple[float, NDArray[np.float64]]:
    following = np.roll(ring, -1, axis=0)
    cross = ring[:, 0] * following[:, 1] - ring[:, 1] * following[:, 0]
    area = cross.sum() / 2
    return abs(area), ((ring + following) * cross[:, None]).sum(axis=0) / (6 * area)


def _normalised(outline: Outline) -> Outline:
    """Moves the centroid of the outer line to the origin and scales the area, holes taken off, to that of a disc."""
    area, centroid = _area_and_centroid(outline[0])
    area -= sum(_area_and_centroid(hole)[0] for hole in outline[1:])
    return tuple((ring - centroid) * math.sqrt(math.pi / area) for ring in outline)


_CIRCLE = _on_circle(np.linspace(0, 2 * math.pi, 64, endpoint=False))
_LINES: dict[str, Outline] = {
    "circle": (_CIRCLE,),
    "crescent": (_crescent(),),
    "cross": (_cross(),),
    "heart": (_heart(),),
    "ring": (_CIRCLE, _CIRCLE * 0.55),
    "square": (_on_circle(math.pi / 4 + np.arange(4) * math.pi / 2),),
    "star": (_on_circle(np.arange(10) * math.pi / 5 - math.pi / 2, np.where(np.arange(10) % 2, 0.45, 1.0)),),
    "triangle": (_on_circle(np.arange(3) * 2 * math.pi / 3 - math.pi / 2),),
}
OUTLINES: dict[str, Outline] = {name: _normalised(outline) for name, outline in _LINES.items()}

# Alphabetical, so that the order of an image folder's classes, COCO category ids and semantic labels agree.
CLASSES: tuple[str, ...] = tuple(sorted(OUTLINES))


def rasterise(
    outline: Outline,
    centre: tuple[float, float],
    radius: float,
    angle: float,
    stretch: float,
    size: tuple[int, int],
) -> tuple[slice, slice, NDArray[np.uint8]]:
    """Draws an outline with antialiased edges.

    Args:
        outline: Normalised lines, the outer one first.
        centre: (x, y) of the centroid in pixels; the image spans [0, W] x [0, H].
        radius: Radius in pixels of the disc with equal area.
        angle: Rotation in radians, applied after stretching.
        stretch: Factor along the outline's x axis; y is divided by it, so that the area stays.
        size: (H, W) of the image.

    Returns:
        Rows and columns of the window that holds the shape, clipped to the image, and the share of each of its pixels
        that the shape covers, 0 to 255, (h, w). The window is empty where the shape is outside of the image.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    transform = radius * np.array([(stretch * cos, stretch * sin), (-sin / stretch, cos / stretch)])
    rings = [ring @ transform + centre for ring in outline]
    height, width = size
    left, top = np.clip(np.floor(rings[0].min(axis=0)), 0, (width, height)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(rings[0].max(axis=0)), (left, top), (width, height)).astype(int).tolist()
    rows, columns = slice(top, bottom), slice(left, right)
    if right == left or bottom == top:
        return rows, columns, np.zeros((bottom - top, right - left), np.uint8)
    fine = Image.new("L", ((right - left) * _SUPERSAMPLING, (bottom - top) * _SUPERSAMPLING))
    draw = ImageDraw.Draw(fine)
    for ring, value in zip(rings, (255, *[0] * (len(rings) - 1)), strict=True):
        # PIL takes whole coordinates, the sample that a vertex lies in; it would round -0.5 up and 0.5 down.
        samples = np.floor((ring - (left, top)) * _SUPERSAMPLING)
        draw.polygon(samples.ravel().tolist(), fill=value)
    return rows, columns, np.asarray(fine.reduce(_SUPERSAMPLING))
