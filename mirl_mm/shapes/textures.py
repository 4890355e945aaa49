"""Colours and textures: what fills a shape or the background.

A texture is a field of numbers between -1 and 1; it moves a base colour towards and away from a second one. The base
colours of things that must be told apart are picked at a minimum distance, and the contrast of a texture stays below
that distance, so that no object melts into what is behind it.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float32]  # (H, W), values in [-1, 1]
Colour = NDArray[np.float32]  # (3,), RGB, 0 to 255

_CHANNEL_WEIGHTS = np.array([0.25, 0.5, 0.25], np.float32)  # the eye sees green differences best
_MIN_DISTANCE = 62.0  # root of the weighted mean square difference, in grey levels


def pick_colour(rng: np.random.Generator, taken: Sequence[Colour]) -> Colour:
    """Returns a random colour that differs clearly from those taken; the most different one found if none does."""
    candidates = rng.uniform(20, 235, (24, 3)).astype(np.float32)
    if not taken:
        return candidates[0]
    square = ((candidates[:, None] - np.stack(taken)) ** 2) @ _CHANNEL_WEIGHTS
    nearest = np.sqrt(square.min(axis=1))
    good = np.flatnonzero(nearest >= _MIN_DISTANCE)
    return candidates[good[0] if good.size else nearest.argmax()]


def _along(angle: float, size: tuple[int, int]) -> Field:
    """Distance in pixels along a direction, from the image's top left corner."""
    x = np.arange(size[1], dtype=np.float32) * np.float32(math.cos(angle))
    y = np.arange(size[0], dtype=np.float32) * np.float32(math.sin(angle))
    return y[:, None] + x


def _wave(rng: np.random.Generator, angle: float, size: tuple[int, int], period: float) -> Field:
    return np.sin(_along(angle, size) * np.float32(2 * math.pi / period) + np.float32(rng.uniform(0, 2 * math.pi)))


def _gradient(rng: np.random.Generator, size: tuple[int, int], period: float) -> Field:
    field = _along(rng.uniform(0, 2 * math.pi), size)
    low, high = field.min(), field.max()
    return (field - low) * np.float32(2 / max(high - low, 1)) - 1


def _checks(rng: np.random.Generator, size: tuple[int, int], period: float) -> Field:
    angle = rng.uniform(0, math.pi / 2)
    product = _wave(rng, angle, size, 2 * period) * _wave(rng, angle + math.pi / 2, size, 2 * period)
    return np.clip(product * 6, -1, 1)


def _dots(rng: np.random.Generator, size: tuple[int, int], period: float) -> Field:
    angle = rng.uniform(0, math.pi / 2)
    bumps = _wave(rng, angle, size, period) + _wave(rng, angle + math.pi / 2, size, period)
    return np.clip((bumps - 0.7) * 3, -1, 1)


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], period: float, octaves: int) -> Field:
    """Sum of random grids, each twice as fine and half as strong as the one before, interpolated bicubically."""
    field = np.zeros(size, np.float32)
    strength, total = 1.0, 0.0
    for _ in range(octaves):
        grid = tuple(2 + math.ceil(side / period) for side in size)
        coarse = Image.fromarray(rng.uniform(-1, 1, grid).astype(np.float32))
        field += strength * np.asarray(coarse.resize((size[1], size[0]), Image.Resampling.BICUBIC))
        total += strength
        strength, period = strength / 2, max(period / 2, 1.0)
    # The values of a sum of octaves crowd around zero: 1.6 spreads them, clipping the rare extremes.
    return np.clip(field * np.float32(1.6 / total), -1, 1)


_TEXTURES: tuple[Callable[[np.random.Generator, tuple[int, int], float], Field], ...] = (
    lambda rng, size, period: np.zeros(size, np.float32),  # flat
    _gradient,
    lambda rng, size, period: np.clip(_wave(rng, rng.uniform(0, math.pi), size, period) * 3, -1, 1),  # stripes
    _checks,
    _dots,
    lambda rng, size, period: smooth_noise(rng, size, 2 * period, octaves=3),
)


def textured(
    rng: np.random.Generator,
    size: tuple[int, int],
    base: Colour,
    period: tuple[float, float],
    contrast: tuple[float, float],
) -> NDArray[np.float32]:
    """Fills a window with a random texture.

    Args:
        rng: Source of every random choice.
        size: (H, W) of the window in pixels.
        base: Mean colour.
        period: Range of the texture's period in pixels.
        contrast: Range of the amplitude in grey levels.

    Returns:
        Colours, (H, W, 3), not yet clipped to [0, 255].
    """
    field = _TEXTURES[rng.integers(len(_TEXTURES))](rng, size, max(rng.uniform(*period), 3.0))
    # Mostly a change of brightness, with a hint of another hue.
    direction = np.array([1, 1, 1]) + rng.uniform(-0.7, 0.7, 3)
    swing = (direction * rng.uniform(*contrast) * rng.choice([-1, 1])).astype(np.float32)
    return base + field[..., None] * swing
