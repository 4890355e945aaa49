"""Deformable convolution (Dai et al., 2017), and modulated (Zhu et al., 2019): torchvision's ``deform_conv2d``."""

from __future__ import annotations

from typing import Any

import torch
import torchvision  # noqa: F401  (registers its ops)
from torch import Tensor

from .op_registration import op

# Only mmcv's own implementation has a use for the kernel's size, which is read from the weight, and for columns and
# ones, its buffers, and im2col_step, the images that it takes at once.
_GEOMETRY = ("dH", "dW", "padH", "padW", "dilationH", "dilationW", "group", "deformable_group")
_ARGUMENTS = "kW kH dW dH padW padH dilationW dilationH group deformable_group"
_MODULATED = ("stride_h", "stride_w", "pad_h", "pad_w", "dilation_h", "dilation_w", "group", "deformable_group")
_MODULATED_ARGUMENTS = f"kernel_h kernel_w {' '.join(_MODULATED)} with_bias"


@op("output", arguments=f"input weight offset output columns ones {_ARGUMENTS} im2col_step")
def deform_conv_forward(input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, **given: Any) -> None:
    """Write the convolved features (B, O, h, w) into ``output``.

    Args:
        input: (B, C, H, W).
        weight: (O, C / group, kH, kW).
        offset: (B, 2 · deformable_group · kH · kW, h, w): (y, x) of each tap, in pixels.
        output: (B, O, h, w).
        **given: Along y (H) and x (W): strides d, zeros on both sides pad, distances of the taps dilation; and groups.
    """
    output.copy_(torch.ops.torchvision.deform_conv2d(*_operands(input, weight, offset, given)))


@op(
    "gradInput",
    "gradOffset",
    arguments=f"input offset gradOutput gradInput gradOffset weight columns {_ARGUMENTS} im2col_step",
)
def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    **given: Any,
) -> None:
    """Write the gradients by input and offsets."""
    by_input, _, by_offset, _, _ = _backward(gradOutput, *_operands(input, weight, offset, given))
    gradInput.copy_(by_input)
    gradOffset.copy_(by_offset)


@op("gradWeight", arguments=f"input offset gradOutput gradWeight columns ones {_ARGUMENTS} scale im2col_step")
def deform_conv_backward_parameters(
    input: Tensor, offset: Tensor, gradOutput: Tensor, gradWeight: Tensor, scale: float, **given: Any
) -> None:
    """Add the gradient by the weight, times ``scale``."""
    gradWeight.add_(_backward(gradOutput, *_operands(input, gradWeight, offset, given))[1], alpha=scale)


@op("output", arguments=f"input weight bias ones offset mask output columns {_MODULATED_ARGUMENTS}")
def modulated_deform_conv_forward(
    input: Tensor, weight: Tensor, bias: Tensor, offset: Tensor, mask: Tensor, output: Tensor, **given: Any
) -> None:
    """Write the convolved features into ``output``; each tap counts times ``mask``.

    Shapes are those of :func:`deform_conv_forward`; ``mask`` is (B, deformable_group · kH · kW, h, w), ``bias`` (O,) or
    empty.
    """
    operands = _operands(input, weight, offset, given, mask, bias if given["with_bias"] else None)
    output.copy_(torch.ops.torchvision.deform_conv2d(*operands))


@op(
    *("grad_input", "grad_weight", "grad_bias", "grad_offset", "grad_mask"),
    arguments="input weight bias ones offset mask columns grad_input grad_weight grad_bias grad_offset grad_mask "
    f"grad_output {_MODULATED_ARGUMENTS}",
)
def modulated_deform_conv_backward(
    input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, grad_output: Tensor, with_bias: bool, **given: Any
) -> None:
    """Write the gradients by all of the inputs."""
    found = _backward(grad_output, *_operands(input, weight, offset, given, mask))
    names = ("input", "weight", "offset", "mask", *(["bias"] if with_bias else []))
    for name, value in zip(names, found, strict=False):
        given[f"grad_{name}"].copy_(value)


def _operands(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    given: dict[str, Any],
    mask: Tensor | None = None,
    bias: Tensor | None = None,
) -> tuple[Any, ...]:
    """What torchvision's op takes, forward and backward; without mask or bias a tensor that is not used."""
    geometry = (given[name] for name in (_GEOMETRY if mask is None else _MODULATED))
    unused = input.new_ones(len(input), offset.shape[1] // 2, *offset.shape[2:]) if mask is None else mask
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    return input, weight, offset, unused, bias, *geometry, mask is not None


def _backward(grad_output: Tensor, *operands: Any) -> tuple[Tensor, ...]:
    """Gradients by input, weight, offset, mask and bias."""
    return torch.ops.torchvision._deform_conv2d_backward(grad_output, *operands)
