"""A small call of each op, for what has to hold for all of them."""

from collections.abc import Callable

import torch
from mmcv.ops import deform_conv2d, modulated_deform_conv2d, roi_align, roi_pool, sigmoid_focal_loss
from mmcv.ops.carafe import carafe
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
from mmcv.ops.psa_mask import psa_mask
from torch import Tensor

_ROIS = torch.tensor([[0, 2.5, 3.25, 21, 19], [1, 5.5, 1, 9, 30], [1, -8, 4, 40, 13]])
_SHAPES = torch.tensor([[4, 5], [2, 3]])
_TARGET = torch.tensor([0, 2, 3, 1, 0])

#: Of each op: shapes of the inputs that want gradients, and the call.
CASES: dict[str, tuple[list[tuple[int, ...]], Callable[..., Tensor]]] = {
    "roi_align, average": ([(2, 3, 6, 7)], lambda x: roi_align(x, _ROIS.to(x), (3, 2), 0.25, 0, "avg", True)),
    "roi_align, maximum": ([(2, 3, 6, 7)], lambda x: roi_align(x, _ROIS.to(x), (3, 2), 0.25, 2, "max", True)),
    "roi_pool": ([(2, 3, 6, 7)], lambda x: roi_pool(x, _ROIS.to(x), (3, 2), 0.25)),
    "sigmoid_focal_loss": ([(5, 3)], lambda x: sigmoid_focal_loss(x, _TARGET.to(x.device), 2.0, 0.25, None, "none")),
    "deform_conv": (
        [(2, 4, 5, 6), (2, 36, 5, 6), (6, 2, 3, 3)],
        lambda x, offset, weight: deform_conv2d(x, offset, weight, 1, 1, 1, 2, 2),
    ),
    "modulated_deform_conv": (
        [(2, 4, 5, 6), (2, 18, 5, 6), (2, 9, 5, 6), (6, 4, 3, 3), (6,)],
        lambda x, offset, mask, weight, bias: modulated_deform_conv2d(x, offset, mask, weight, bias, 1, 1),
    ),
    "ms_deform_attn": (
        [(2, 26, 2, 4), (2, 3, 2, 2, 4, 2), (2, 3, 2, 2, 4)],
        lambda value, locations, weights: MultiScaleDeformableAttnFunction.apply(
            value, _SHAPES.to(value.device), torch.tensor([0, 20], device=value.device), locations, weights, 64
        ),
    ),
    "carafe": ([(2, 4, 3, 4), (2, 18, 6, 8)], lambda x, masks: carafe(x, masks, 3, 2, 2)),
    "psamask, collect": ([(2, 15, 4, 3)], lambda x: psa_mask(x, 0, (5, 3))),
    "psamask, distribute": ([(2, 15, 4, 3)], lambda x: psa_mask(x, 1, (5, 3))),
}


def inputs(name: str, dtype: torch.dtype = torch.float32, device: str = "cpu") -> list[Tensor]:
    """Random inputs of a case, the same in all precisions but for rounding."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator).to(device, dtype).requires_grad_() for shape in CASES[name][0]]


def outcome(name: str, leaves: list[Tensor]) -> list[Tensor]:
    """Output and gradients."""
    out = CASES[name][1](*leaves)
    weights = 2 * (torch.arange(out.numel()) % 3 - 1).view_as(out).to(out)  # times which is exact in all precisions
    return [out.detach(), *torch.autograd.grad(out, leaves, weights)]
