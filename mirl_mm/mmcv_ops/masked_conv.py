"""The two steps around the matrix product of a convolution at chosen pixels only (guided anchoring's, in tests)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from .op_registration import op


@op("col")
def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Write the kernel's surroundings of M pixels into ``col`` (C · kernel_h · kernel_w, M).

    Args:
        im: (1, C, H, W).
        mask_h_idx: Rows of the output's pixels (M,).
        mask_w_idx: Their columns (M,).
        col: (C · kernel_h · kernel_w, M).
        kernel_h: Height of the kernel.
        kernel_w: Width of the kernel.
        pad_h: Zeros above and below.
        pad_w: Zeros on the left and right.
    """
    padded = pad(im[0], [pad_w, pad_w, pad_h, pad_h])
    rows = mask_h_idx + torch.arange(kernel_h, device=im.device)[:, None, None]
    columns = mask_w_idx + torch.arange(kernel_w, device=im.device)[None, :, None]
    col.copy_(padded[:, rows, columns].flatten(0, 2))


@op("im")
def masked_col2im_forward(
    col: Tensor, mask_h_idx: Tensor, mask_w_idx: Tensor, im: Tensor, height: int, width: int, channels: int
) -> None:
    """Write values (C, M) of M pixels into ``im`` (1, C, H, W); the others stay."""
    im[0, :, mask_h_idx, mask_w_idx] = col
