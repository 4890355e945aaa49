"""Absolute positions of a checkpoint, fitted to those that a model stores."""

import math
from typing import Any

import torch.nn.functional as F

from ..layers import Size, resample_position


def fit_positions(
    state_dict: dict[str, Any],
    key: str,
    grid: Size,
    num_prefix: int,
    pretrained_grid: Size | None = None,
    antialias: bool = False,
) -> None:
    """Resample ``state_dict[key]``, if it is there, to the model's grid; in place.

    The checkpoint's grid is the first that has as many patches: ``pretrained_grid`` where given, the model's own, a
    square one. Where it has no positions for prefix tokens (timm's ``no_embed_class``), those are 0.

    Args:
        state_dict: What is about to be loaded.
        key: The positions' name in it.
        grid: (h, w) for which the model stores positions.
        num_prefix: Positions before those of the patches.
        pretrained_grid: (h, w) of the checkpoint, where it is not square.
        antialias: See :func:`~mirl_mm.models.layers.resample_position`.

    Raises:
        ValueError: If the checkpoint's grid can't be told.
    """
    if key not in state_dict:
        return
    position = state_dict[key]
    for missing in dict.fromkeys((0, num_prefix)):
        patches = position.shape[1] - num_prefix + missing
        side = math.isqrt(max(patches, 0))
        candidates = (pretrained_grid, grid, (side, side))
        old = next((size for size in candidates if size and math.prod(size) == patches), None)
        if old is not None:
            position = F.pad(position, (0, 0, missing, 0))
            state_dict[key] = resample_position(position, old, grid, num_prefix, antialias)
            return
    raise ValueError(
        f"{key} of the checkpoint has {position.shape[1] - num_prefix} patches, which is no square grid: set the "
        "backbone's pretrained_grid=(rows, columns) to the grid with which it was trained"
    )
