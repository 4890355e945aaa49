"""RoIAlign (He et al., 2017): averages by torchvision, maxima here."""

from __future__ import annotations

import torch
import torchvision  # noqa: F401  (registers its ops)
from torch import Tensor

from .op_registration import op

_MAX = 0  # pool_mode; 1 is the average
_NOTHING = -10000.0  # where mmcv's search for a maximum starts, and so the value of a bin without samples


@op("output", "argmax_y", "argmax_x")
def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the pooled features of boxes into ``output``.

    The average equals ``torchvision.ops.roi_align``.

    Args:
        input: (B, C, H, W).
        rois: (R, 5): index of the image, left, top, right, bottom in the image's pixels.
        output: (R, C, h, w).
        argmax_y: (R, C, h, w), receives where along y a maximum was sampled, -1 where nothing was; empty for averages.
        argmax_x: The same along x.
        aligned_height: h.
        aligned_width: w.
        spatial_scale: Pixels of ``input`` for one of the image's.
        sampling_ratio: Samples of a bin along each side; 0 takes one for each started pixel of the bin.
        pool_mode: 0 for the maximum of a bin's samples, 1 for their average.
        aligned: Whether pixel centres lie at halves.
    """
    if pool_mode != _MAX:
        output.copy_(
            torch.ops.torchvision.roi_align(
                input, rois, spatial_scale, aligned_height, aligned_width, sampling_ratio, aligned
            )
        )
        return
    output.fill_(_NOTHING)
    argmax_y.fill_(-1)
    argmax_x.fill_(-1)
    shift = 0.5 if aligned else 0.0
    left, top, right, bottom = (rois[:, 1:] * spatial_scale - shift).unbind(1)
    width, height = right - left, bottom - top
    if not aligned:
        width, height = width.clamp(min=1), height.clamp(min=1)
    bin_h, bin_w = height / aligned_height, width / aligned_width
    grids = torch.stack([bin_h.ceil(), bin_w.ceil()], dim=1).long().clamp(min=0)
    if sampling_ratio > 0:
        grids.fill_(sampling_ratio)
    for grid in grids.unique(dim=0):
        rows = (grids == grid).all(dim=1).nonzero()[:, 0]
        grid_h, grid_w = grid.tolist()
        if grid_h * grid_w == 0:
            continue
        y = _positions(top[rows], bin_h[rows], aligned_height, grid_h)
        x = _positions(left[rows], bin_w[rows], aligned_width, grid_w)
        samples = _sample(input, rois[rows, 0].long(), y, x)  # (r, h · grid_h, w · grid_w, C)
        bins = samples.view(len(rows), aligned_height, grid_h, aligned_width, grid_w, -1).permute(0, 5, 1, 3, 2, 4)
        best, index = bins.flatten(4).max(dim=4)
        found = best > _NOTHING
        along_y = torch.arange(aligned_height, device=y.device)[:, None] * grid_h + index // grid_w
        along_x = torch.arange(aligned_width, device=x.device) * grid_w + index % grid_w
        output[rows] = torch.where(found, best, _NOTHING)
        for argmax, positions, along in ((argmax_y, y, along_y), (argmax_x, x, along_x)):
            argmax[rows] = torch.where(found, positions.gather(1, along.flatten(1)).view_as(best), -1.0)


@op("grad_input")
def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the gradient by the features into ``grad_input`` (B, C, H, W); boxes get none."""
    if pool_mode != _MAX:
        grad_input.copy_(
            torch.ops.torchvision._roi_align_backward(
                grad_output,
                rois,
                spatial_scale,
                aligned_height,
                aligned_width,
                *grad_input.shape,
                sampling_ratio,
                aligned,
            )
        )
        return
    _, channels, height, width = grad_input.shape
    plane = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    y_low, y_high, y_part, y_inside = _neighbours(argmax_y, height)
    x_low, x_high, x_part, x_inside = _neighbours(argmax_x, width)
    grad = grad_output * ((argmax_y != -1) & y_inside & x_inside)
    rows = torch.stack([y_low, y_low, y_high, y_high], dim=-1) + plane[:, :, None, None, None] * height
    columns = torch.stack([x_low, x_high, x_low, x_high], dim=-1)
    shares = torch.stack(_shares(y_part, x_part), dim=-1) * grad[..., None]
    grad_input.view(-1).index_add_(0, (rows * width + columns).flatten(), shares.flatten())


def _positions(start: Tensor, size: Tensor, bins: int, grid: int) -> Tensor:
    """Where a box (R,) is sampled along one side (R, bins · grid): ``grid`` times in each bin."""
    bin_start = start[:, None] + torch.arange(bins, device=start.device) * size[:, None]
    within = (torch.arange(grid, device=start.device) + 0.5) * size[:, None] / grid
    return (bin_start[:, :, None] + within[:, None]).flatten(1)


def _sample(input: Tensor, image: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Bilinear samples (R, Y, X, C) of images (R,) at y (R, Y) and x (R, X); zero beyond a pixel outside the map."""
    y_low, y_high, y_part, y_inside = _neighbours(y, input.size(2))
    x_low, x_high, x_part, x_inside = _neighbours(x, input.size(3))
    image = image[:, None, None]
    corners = [(y_low, x_low), (y_low, x_high), (y_high, x_low), (y_high, x_high)]
    shares = _shares(y_part[:, :, None], x_part[:, None])
    values = [
        input[image, :, rows[:, :, None], columns[:, None]] * share[..., None]
        for (rows, columns), share in zip(corners, shares, strict=True)
    ]
    inside = y_inside[:, :, None] & x_inside[:, None]
    return (values[0] + values[1] + values[2] + values[3]) * inside[..., None]


def _neighbours(position: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pixels below and above a position along one side, its part of the way between them, and whether it is inside."""
    inside = (position >= -1) & (position <= size)
    position = position.clamp(min=0, max=size - 1)
    low = position.long()
    return low, (low + 1).clamp(max=size - 1), position - low, inside


def _shares(y: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights of the pixels top left, top right, bottom left and bottom right."""
    return (1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x
