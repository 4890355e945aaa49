"""RoI max pooling (Girshick, 2015), as mmcv understands it.

torchvision's rounds a box to pixels first, which mmcv's does not; so its op can't serve.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .op_registration import op


@op("output")
def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Write the maxima of a box's bins into ``output``, 0 for a bin without pixels.

    Args:
        input: (B, C, H, W).
        rois: (R, 5): index of the image, left, top, right, bottom (included) in the image's pixels.
        output: (R, C, h, w).
        argmax: (R, C, h, w) of int32, receives the pixel's index in H · W, -1 where there is none. (In mmcv's op a box
            without area says 0, and its gradient goes to that pixel.)
        pooled_height: h.
        pooled_width: w.
        spatial_scale: Pixels of ``input`` for one of the image's.
    """
    output.zero_()
    argmax.fill_(-1)
    height, width = input.shape[2:]
    y = _bins(rois[:, 2], rois[:, 4], spatial_scale, pooled_height, height)
    x = _bins(rois[:, 1], rois[:, 3], spatial_scale, pooled_width, width)
    images = rois[:, 0].long().tolist()
    for i, (image, (y_start, y_end), (x_start, x_end)) in enumerate(zip(images, zip(*y), zip(*x))):  # noqa: B905
        rows, rows_in = _members(y_start, y_end)  # (h, rows of the tallest bin)
        columns, columns_in = _members(x_start, x_end)
        if rows.numel() * columns.numel() == 0:
            continue
        inside = (rows_in[:, None, :, None] & columns_in[None, :, None]).flatten(2)  # (h, w, pixels)
        pixels = (rows.clamp(max=height - 1)[:, None, :, None] * width + columns.clamp(max=width - 1)[:, None]).flatten(
            2
        )
        values = input[image].flatten(1)[:, pixels].masked_fill(~inside, -torch.inf)
        best, index = values.max(dim=3)  # the first of equals, in the order of rows
        found = inside.any(dim=2)
        output[i] = torch.where(found, best, 0.0)
        argmax[i] = torch.where(found, pixels.expand_as(values).gather(3, index[..., None])[..., 0], -1)


@op("grad_input", arguments="grad_output rois argmax grad_input pooled_height pooled_width spatial_scale")
def roi_pool_backward(grad_output: Tensor, rois: Tensor, argmax: Tensor, grad_input: Tensor, **unused: Any) -> None:
    """Write the gradient by the features into ``grad_input`` (B, C, H, W): each maximum's goes to its pixel."""
    _, channels, height, width = grad_input.shape
    plane = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    index = plane[:, :, None, None] * (height * width) + argmax.clamp(min=0)
    grad_input.view(-1).index_add_(0, index.flatten(), (grad_output * (argmax >= 0)).flatten())


def _bins(low: Tensor, high: Tensor, scale: float, bins: int, size: int) -> tuple[Tensor, Tensor]:
    """First and one past the last pixel (R, bins) of the bins along one side; all 0 for boxes without extent."""
    start, end = low * scale, (high + 1) * scale
    step = (end - start)[:, None] / bins
    number = torch.arange(bins + 1, device=low.device)
    edges = number * step + start[:, None]
    first, last = edges[:, :-1].floor(), edges[:, 1:].ceil()
    return tuple((edge.clamp(0, size) * (step > 0)).long() for edge in (first, last))  # type: ignore[return-value]


def _members(start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels from start to end (bins,) as (bins, longest), and which of them are members."""
    longest = int((end - start).max().clamp(min=0))
    pixels = start[:, None] + torch.arange(longest, device=start.device)
    return pixels, pixels < end[:, None]
