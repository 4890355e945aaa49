"""Multi-scale deformable attention (Zhu et al., 2021), by mmcv's own form of it in PyTorch.

mmcv asks for the op on the GPU only; on the CPU it takes that form by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .op_registration import op


@op()
def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Sampled values' weighted sum (B, Q, heads · channels).

    Args:
        value: Maps of all levels (B, Σ H·W, heads, channels).
        value_spatial_shapes: (levels, 2), height and width of each.
        value_level_start_index: Not used; the shapes say it.
        sampling_locations: (B, Q, heads, levels, points, 2), x and y, 0 to 1 within the map.
        attention_weights: (B, Q, heads, levels, points).
        im2col_step: Not used.
    """
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch  # which itself looks for these ops

    # As numbers, which the device is waited for once for, and not at each reshape.
    shapes = value_spatial_shapes.tolist()
    return multi_scale_deformable_attn_pytorch(value, shapes, sampling_locations, attention_weights)


@op("grad_value", "grad_sampling_loc", "grad_attn_weight")
def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Write the gradients by values, locations and weights; the forward pass is run again for them."""
    with torch.enable_grad():
        inputs = [tensor.detach().requires_grad_() for tensor in (value, sampling_locations, attention_weights)]
        output = ms_deform_attn_forward(
            inputs[0], value_spatial_shapes, value_level_start_index, inputs[1], inputs[2], im2col_step
        )
        gradients = torch.autograd.grad(output, inputs, grad_output)
    for target, gradient in zip((grad_value, grad_sampling_loc, grad_attn_weight), gradients, strict=True):
        target.copy_(gradient)
