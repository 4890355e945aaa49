"""PSANet's masks (Zhao et al., 2018): weights between all pixels, from those of each pixel's surroundings."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .op_registration import op

_COLLECT = 0  # psa_type; 1 is distribute
_SIZES = "psa_type num_ h_feature w_feature h_mask w_mask half_h_mask half_w_mask"


@op("output", arguments=f"input output {_SIZES}")
def psamask_forward(
    input: Tensor, output: Tensor, psa_type: int, h_mask: int, w_mask: int, half_h_mask: int, half_w_mask: int, **_: Any
) -> None:
    """Write the weights between all pairs of pixels into ``output``, 0 where a mask does not reach.

    Args:
        input: (B, h_mask · w_mask, H, W): at each pixel a mask, the weights of the pixels around it.
        output: (B, H · W, H, W): [:, i, y, x] is the weight of pixel i in the mask at (y, x), or, to distribute, the
            weight of (y, x) in the mask at pixel i.
        psa_type: 0 to collect, 1 to distribute.
        h_mask: Height of a mask.
        w_mask: Width of a mask.
        half_h_mask: Row of its centre.
        half_w_mask: Column of its centre.
        **_: B, H and W again.
    """
    y, x = (torch.arange(size, device=input.device) for size in input.shape[2:])
    there_y, there_x, here_y, here_x = torch.meshgrid(y, x, y, x, indexing="ij")
    row, column = there_y - here_y + half_h_mask, there_x - here_x + half_w_mask
    inside = (row >= 0) & (row < h_mask) & (column >= 0) & (column < w_mask)
    masks = input.unflatten(1, (h_mask, w_mask))
    weights = masks[:, row.clamp(0, h_mask - 1), column.clamp(0, w_mask - 1), here_y, here_x] * inside
    _by_pair(output, psa_type).copy_(weights)


@op("grad_input", arguments=f"grad_output grad_input {_SIZES}")
def psamask_backward(
    grad_output: Tensor,
    grad_input: Tensor,
    psa_type: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
    **_: Any,
) -> None:
    """Write the gradient by the masks into ``grad_input``."""
    height, width = grad_input.shape[2:]
    sizes = (h_mask, w_mask, height, width)
    row, column, here_y, here_x = torch.meshgrid(
        *(torch.arange(size, device=grad_output.device) for size in sizes), indexing="ij"
    )
    there_y, there_x = here_y + row - half_h_mask, here_x + column - half_w_mask
    inside = (there_y >= 0) & (there_y < height) & (there_x >= 0) & (there_x < width)
    pairs = _by_pair(grad_output, psa_type)
    grad = pairs[:, there_y.clamp(0, height - 1), there_x.clamp(0, width - 1), here_y, here_x] * inside
    grad_input.copy_(grad.view_as(grad_input))


def _by_pair(weights: Tensor, psa_type: int) -> Tensor:
    """A view (B, y, x, y', x') of weights (B, H · W, H, W), with the masks' own pixels (y', x')."""
    pairs = weights.unflatten(1, weights.shape[2:])
    return pairs if psa_type == _COLLECT else pairs.permute(0, 3, 4, 1, 2)
