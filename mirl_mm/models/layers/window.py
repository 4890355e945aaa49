"""Windows of a token map and back, with views where possible.

Shapes: B batch, H, W the map, h, w a window, n, m windows along rows and columns, C channels.
"""

import torch.nn.functional as F
from torch import Tensor

from .position import Size


def window_padding(size: Size, window: Size) -> Size:
    """Rows and columns to add (below, to the right) so that windows tile a map."""
    return -size[0] % window[0], -size[1] % window[1]


def pad_map(x: Tensor, padding: Size) -> Tensor:
    """Add rows of zeros below and columns to the right: ``(B, H, W, C)`` -> ``(B, H + rows, W + columns, C)``."""
    return F.pad(x, (0, 0, 0, padding[1], 0, padding[0]))


def to_windows(x: Tensor, window: Size) -> Tensor:
    """``(B, n*h, m*w, C)`` -> ``(B, n, m, h, w, C)``, a view."""
    return x.unflatten(2, (-1, window[1])).unflatten(1, (-1, window[0])).transpose(2, 3)


def from_windows(x: Tensor) -> Tensor:
    """Inverse of :func:`to_windows`."""
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)
