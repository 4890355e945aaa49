"""Deformable convolution (Dai et al., 2017), and modulated (Zhu et al., 2019): torchvision's ``deform_conv2d``."""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor

from .precision import op

# Arguments that only mmcv's own implementation has a use for: columns and ones are its buffers, im2col_step the images
# that it takes at once; a kernel's size is read from the weight.


@op("output")
def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Write the convolved features (B, O, h, w) into ``output``.

    Args:
        input: (B, C, H, W).
        weight: (O, C / group, kH, kW).
        offset: (B, 2 · deformable_group · kH · kW, h, w): (y, x) of each tap, in pixels.
        output: (B, O, h, w).
        columns: Not used.
        ones: Not used.
        kW: Not used.
        kH: Not used.
        dW: Stride along x.
        dH: Stride along y.
        padW: Zeros on the left and right.
        padH: Zeros above and below.
        dilationW: Distance of the taps along x.
        dilationH: Distance of the taps along y.
        group: Not used; ``input`` and ``weight`` say it.
        deformable_group: Not used; ``offset`` says it.
        im2col_step: Not used.
    """
    output.copy_(
        torchvision.ops.deform_conv2d(
            input, offset, weight, None, stride=(dH, dW), padding=(padH, padW), dilation=(dilationH, dilationW)
        )
    )


@op("gradInput", "gradOffset")
def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Write the gradients by input and offsets."""
    geometry = (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)
    by_input, _, by_offset, _, _ = _backward(gradOutput, input, weight, offset, None, geometry)
    gradInput.copy_(by_input)
    gradOffset.copy_(by_offset)


@op("gradWeight")
def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Add the gradient by the weight, times ``scale``."""
    geometry = (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)
    gradWeight.add_(_backward(gradOutput, input, gradWeight, offset, None, geometry)[1], alpha=scale)


@op("output")
def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Write the convolved features into ``output``; each tap counts times ``mask``.

    Shapes are those of :func:`deform_conv_forward`; ``mask`` is (B, deformable_group · kH · kW, h, w), ``bias`` (O,) or
    empty.
    """
    output.copy_(
        torchvision.ops.deform_conv2d(
            input,
            offset,
            weight,
            bias if with_bias else None,
            stride=(stride_h, stride_w),
            padding=(pad_h, pad_w),
            dilation=(dilation_h, dilation_w),
            mask=mask,
        )
    )


@op("grad_input", "grad_weight", "grad_bias", "grad_offset", "grad_mask")
def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Write the gradients by all of the inputs."""
    geometry = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group)
    by_input, by_weight, by_offset, by_mask, by_bias = _backward(grad_output, input, weight, offset, mask, geometry)
    for target, value in (
        (grad_input, by_input),
        (grad_weight, by_weight),
        (grad_offset, by_offset),
        (grad_mask, by_mask),
    ):
        target.copy_(value)
    if with_bias:
        grad_bias.copy_(by_bias)


def _backward(
    grad_output: Tensor, input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None, geometry: tuple[int, ...]
) -> tuple[Tensor, ...]:
    """Gradients by input, weight, offset, mask and bias.

    ``geometry`` is stride, padding and dilation, each along y and x, the groups and the deformable groups.
    """
    batch, (_, _, kernel_h, kernel_w), deformable_groups = len(input), weight.shape, geometry[-1]
    ones = input.new_ones(batch, deformable_groups * kernel_h * kernel_w, *grad_output.shape[2:])
    return torch.ops.torchvision._deform_conv2d_backward(
        grad_output,
        input,
        weight,
        offset,
        ones if mask is None else mask,
        weight.new_zeros(len(weight)),
        *geometry,
        mask is not None,
    )
