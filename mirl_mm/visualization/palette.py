"""Colours of classes."""

import colorsys
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
_GOLDEN = 0.618034  # of the colour circle, from one hue to the next: any number of them is spread evenly
_LIGHTNESS = (0.35, 0.6, 0.75, 0.5)


def class_colour(label: int) -> Colour:
    """A class's RGB: seven colours that everyone can tell apart, lighter and darker ones, then ever more hues."""
    if label >= len(_BASE) * len(_SHADES):
        hue, lightness = label * _GOLDEN % 1, _LIGHTNESS[label % len(_LIGHTNESS)]
        red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, 0.65))
        return red, green, blue
    base = np.array(_BASE[label % len(_BASE)], dtype=float)
    shade = _SHADES[label // len(_BASE)]
    red, green, blue = np.rint(base + ((255 if shade > 0 else 0) - base) * abs(shade)).astype(int).tolist()
    return red, green, blue


def class_palette(number: int, given: Sequence[Sequence[int]] | None = None) -> np.ndarray:
    """``(C, 3)`` uint8 RGB of so many classes: the given ones, where there is one for each, else :func:`class_colour`.

    Raises:
        ValueError: If a given colour is not three numbers in 0..255.
    """
    if given is None or len(given) != number:
        given = [class_colour(label) for label in range(number)]
    colours = np.asarray(given)
    if colours.shape != (number, 3) or colours.min() < 0 or colours.max() > 255:
        raise ValueError(f"a palette has three numbers in 0..255 for each class, got {given}")
    return colours.astype(np.uint8)


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever is easier to read on a colour (relative luminance of WCAG 2.1)."""
    linear = [(c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in colour]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)
