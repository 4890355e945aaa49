"""Colours of classes."""

from collections.abc import Sequence

import numpy as np

Colour = tuple[int, int, int]

#: Okabe and Ito's colours, told apart with any colour vision; black, which photos are full of, is left out.
_BASE: Sequence[Colour] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
)
_SHADES = (0.0, 0.45, -0.4)  # towards white, or black if negative


def class_colour(label: int) -> Colour:
    """A class's RGB: seven colours that everyone can tell apart, then lighter and darker ones, then the same again."""
    base = np.array(_BASE[label % len(_BASE)], dtype=float)
    shade = _SHADES[label // len(_BASE) % len(_SHADES)]
    red, green, blue = np.rint(base + ((255 if shade > 0 else 0) - base) * abs(shade)).astype(int).tolist()
    return red, green, blue


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever is easier to read on a colour (relative luminance of WCAG 2.1)."""
    linear = [(c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in colour]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)
