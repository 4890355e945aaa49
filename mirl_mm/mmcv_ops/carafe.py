"""CARAFE (Wang et al., 2019): upsampling by a kernel of its own at each output pixel."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.nn.functional import pad

from .op_registration import op


@op("output", "rfeatures")
def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write the upsampled features into ``output``.

    Output pixel (y, x) is the sum over k x k features around (y // s, x // s), zero outside, each times its mask at
    (y, x).

    Args:
        features: (B, C, H, W).
        masks: (B, groups · k · k, H · s, W · s).
        rfeatures: (B, C, H, W), receives the features, which mmcv hands to :func:`carafe_backward`.
        routput: Not used.
        rmasks: Not used.
        output: (B, C, H · s, W · s).
        kernel_size: k.
        group_size: Number of groups of channels that have masks of their own.
        scale_factor: s.
    """
    rfeatures.copy_(features)
    total = output.view(_blocks(output, group_size, scale_factor)).zero_()
    masks = _by_tap(masks, kernel_size, group_size, scale_factor)
    for tap, window in _windows(_padded(features, kernel_size), kernel_size, group_size):
        total.addcmul_(window[..., None, :, None], masks[:, :, tap, None])


@op("bottom_grad", "mask_grad")
def carafe_backward(
    top_grad: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rtop_grad: Tensor,
    rbottom_grad_hs: Tensor,
    rbottom_grad: Tensor,
    rmask_grad: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write the gradients by features and masks into ``bottom_grad`` and ``mask_grad``.

    Shapes are those of :func:`carafe_forward`; of the tensors in r, only ``rfeatures`` is used.
    """
    grad = top_grad.view(_blocks(top_grad, group_size, scale_factor))
    masks = _by_tap(masks, kernel_size, group_size, scale_factor)
    by_mask = _by_tap(mask_grad, kernel_size, group_size, scale_factor)
    by_feature = _padded(rfeatures.new_zeros(rfeatures.shape), kernel_size)
    windows = _windows(_padded(rfeatures, kernel_size), kernel_size, group_size)
    targets = _windows(by_feature, kernel_size, group_size)
    for (tap, window), (_, target) in zip(windows, targets, strict=True):
        target += (grad * masks[:, :, tap, None]).sum(dim=(4, 6))
        by_mask[:, :, tap] = (grad * window[..., None, :, None]).sum(dim=2)
    border = kernel_size // 2
    bottom_grad.copy_(by_feature[..., border : -border or None, border : -border or None])


def _blocks(output: Tensor, groups: int, scale: int) -> tuple[int, ...]:
    """Output's shape as (B, groups, C / groups, H, s, W, s)."""
    batch, channels, height, width = output.shape
    return batch, groups, channels // groups, height // scale, scale, width // scale, scale


def _by_tap(masks: Tensor, kernel_size: int, groups: int, scale: int) -> Tensor:
    """Masks as (B, groups, k · k, H, s, W, s)."""
    height, width = (size // scale for size in masks.shape[2:])
    return masks.view(len(masks), groups, kernel_size**2, height, scale, width, scale)


def _padded(features: Tensor, kernel_size: int) -> Tensor:
    return pad(features, [kernel_size // 2] * 4)


def _windows(padded: Tensor, kernel_size: int, groups: int) -> Iterator[tuple[int, Tensor]]:
    """Each of the k · k taps and the features (B, groups, C / groups, H, W) under it, a view of the padded ones."""
    grouped = padded.unflatten(1, (groups, -1))
    height, width = (size - kernel_size + 1 for size in padded.shape[2:])
    for tap in range(kernel_size**2):
        top, left = divmod(tap, kernel_size)
        yield tap, grouped[..., top : top + height, left : left + width]
