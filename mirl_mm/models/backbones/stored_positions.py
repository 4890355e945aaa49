"""Absolute positions of a checkpoint, fitted to those that a model stores."""

import math
from typing import Any

import torch.nn.functional as F

from ..layers import resample_position


def fit_positions(backbone: Any, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    """Resample a checkpoint's positions to those the model stores (a load_state_dict pre-hook).

    The checkpoint's grid is the first that has as many patches: ``pretrained_grid`` where given, the model's own, a
    square one. Where it has no positions for prefix tokens (timm's ``no_embed_class``), those are 0.

    Raises:
        ValueError: If the checkpoint's grid can't be told.
    """
    key, grid, num_prefix = f"{prefix}pos_embed", backbone.position_grid, backbone.prefix_positions
    if backbone.pos_embed is None or key not in state_dict:
        return
    position = state_dict[key]
    for missing in dict.fromkeys((0, num_prefix)):
        patches = position.shape[1] - num_prefix + missing
        side = math.isqrt(max(patches, 0))
        candidates = (backbone.pretrained_grid, grid, (side, side))
        old = next((size for size in candidates if size and math.prod(size) == patches), None)
        if old is not None:
            position = F.pad(position, (0, 0, missing, 0))
            state_dict[key] = resample_position(position, old, grid, num_prefix, backbone.antialias)
            return
    raise ValueError(
        f"{key} of the checkpoint has {position.shape[1] - num_prefix} patches, which is no square grid: set the "
        "backbone's pretrained_grid=(rows, columns) to the grid with which it was trained"
    )
