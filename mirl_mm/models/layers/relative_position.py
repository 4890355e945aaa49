"""Decomposed relative positions (Li et al., "MViTv2", section 4.1; ViTDet): one table for rows, one for columns.

The score of a query at (y, x) and a key at (y', x') grows by ``q . R_h[y - y'] + q . R_w[x - x']``, q unscaled.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def resize_relative(rel_pos: Tensor, size: int) -> Tensor:
    """Interpolate the embeddings ``(2*old - 1, D)`` of all distances along a side to a side of another length.

    Linear, without aligned corners, as in detectron2's ``get_rel_pos``.

    Returns:
        ``(2*size - 1, D)`` in the dtype of ``rel_pos``, which is itself returned where it fits.
    """
    distances = 2 * size - 1
    if len(rel_pos) == distances:
        return rel_pos
    wide = rel_pos if rel_pos.dtype == torch.float64 else rel_pos.float()
    return F.interpolate(wide.t()[None], size=distances, mode="linear")[0].t().to(rel_pos.dtype)


def relative_table(rel_pos: Tensor, size: int) -> Tensor:
    """Embedding of the distance between every two positions along a side, interpolated where it is another one.

    Returns:
        ``(size, size, D)``: at (y, y') that of the distance y - y'.
    """
    position = torch.arange(size, device=rel_pos.device)
    return resize_relative(rel_pos, size)[position[:, None] - position + size - 1]
