"""Attention between few tokens on a GPU: one kernel from packed projections to the output, one back.

Library kernels are made for long sequences. Over the 50 tokens that an encoder sees in pre-training they take three
times as long as reading and writing the data does (docs/speed.md). As custom operators these are seen as one step by
``torch.compile``, activation checkpointing, CUDA graphs and ``torch.export``.
"""

from typing import Any

import torch
from torch import Tensor

#: What the kernels take: scores of more keys don't fit on the chip.
MAX_TOKENS = 128
MAX_CHANNELS = 128


def short_attention(qkv: Tensor, num_heads: int) -> Tensor:
    """Scaled dot-product self-attention, in the type that autocast says.

    Args:
        qkv: ``(B, N, 3C)`` on a GPU, at most 128 tokens: queries, keys and values, the heads of each side by side.
        num_heads: H; scores are scaled by 1 / sqrt(C / H). C / H is at most 128.

    Returns:
        ``(B, N, C)``, heads joined.

    Raises:
        ValueError: For more tokens or channels than the kernels take, or a width that is no multiple of 3 H.
    """
    check_short(qkv.shape[1], qkv.shape[2], 3, num_heads)
    return _self(_cast(qkv), num_heads)


def short_cross_attention(q: Tensor, kv: Tensor, num_heads: int) -> Tensor:
    """Scaled dot-product attention from any number of queries to few keys, in the type that autocast says.

    Args:
        q: ``(B, Q, C)`` on a GPU.
        kv: ``(B, N, 2C)``, at most 128 tokens: keys and values.
        num_heads: As for :func:`short_attention`.

    Returns:
        ``(B, Q, C)``, heads joined.

    Raises:
        ValueError: As :func:`short_attention`.
    """
    check_short(kv.shape[1], kv.shape[2], 2, num_heads)
    return _cross(_cast(q), _cast(kv), num_heads)


def fits(tokens: int, channels: int) -> bool:
    """Whether the kernels take so many keys, with heads of so many channels."""
    return tokens <= MAX_TOKENS and channels <= MAX_CHANNELS


def check_short(tokens: int, width: int, parts: int, num_heads: int) -> None:
    """Raise ValueError unless the kernels take ``(B, tokens, width)``: 3 parts (``qkv``), or 2 (``kv``)."""
    if width % (parts * num_heads):
        raise ValueError(f"the width {width} of {'qkv'[3 - parts :]} is no multiple of {parts} x {num_heads} heads")
    if not fits(tokens, channels := width // (parts * num_heads)):
        raise ValueError(
            f"the kernel takes up to {MAX_TOKENS} tokens and {MAX_CHANNELS} channels a head, got {tokens} and "
            f"{channels}: use attend()"
        )


def _cast(x: Tensor) -> Tensor:
    if torch.is_autocast_enabled("cuda") and x.dtype != torch.float64:
        return x.to(torch.get_autocast_dtype("cuda"))
    return x


@torch.library.custom_op("mirl_mm::short_attention", mutates_args=())
def _self(qkv: Tensor, num_heads: int) -> Tensor:
    from . import attention_short_kernels as kernels

    q, k, v = qkv.contiguous().chunk(3, dim=2)
    return kernels.forward(q, k, v, num_heads)


@torch.library.custom_op("mirl_mm::short_attention_backward", mutates_args=())
def _self_backward(qkv: Tensor, grad: Tensor, num_heads: int) -> Tensor:
    from . import attention_short_kernels as kernels

    qkv = qkv.contiguous()
    grads = _empty(qkv)
    q, k, v = qkv.chunk(3, dim=2)
    kernels.backward(q, k, v, grad.contiguous(), grads.chunk(3, dim=2), num_heads)
    return grads


@torch.library.custom_op("mirl_mm::short_cross_attention", mutates_args=())
def _cross(q: Tensor, kv: Tensor, num_heads: int) -> Tensor:
    from . import attention_short_kernels as kernels

    k, v = kv.contiguous().chunk(2, dim=2)
    return kernels.forward(_side_by_side(q), k, v, num_heads)


@torch.library.custom_op("mirl_mm::short_cross_attention_backward", mutates_args=())
def _cross_backward(q: Tensor, kv: Tensor, grad: Tensor, num_heads: int) -> tuple[Tensor, Tensor]:
    from . import attention_short_kernels as kernels

    k, v = kv.contiguous().chunk(2, dim=2)
    grads = _empty(q), _empty(kv)
    kernels.backward(_side_by_side(q), k, v, grad.contiguous(), (grads[0], *grads[1].chunk(2, dim=2)), num_heads)
    return grads


def _empty(x: Tensor) -> Tensor:
    """Of its shape, without gaps; ``empty_like`` keeps strides, also such as a length of 1 makes meaningless."""
    return torch.empty(x.shape, dtype=x.dtype, device=x.device)


def _side_by_side(q: Tensor) -> Tensor:
    """``q``, which may be part of a packed projection, with channels side by side."""
    return q if q.stride(2) == 1 else q.contiguous()


@_self.register_fake
def _(qkv: Tensor, num_heads: int) -> Tensor:
    return qkv.new_empty(qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3)


@_self_backward.register_fake
def _(qkv: Tensor, grad: Tensor, num_heads: int) -> Tensor:
    return qkv.new_empty(qkv.shape)


@_cross.register_fake
def _(q: Tensor, kv: Tensor, num_heads: int) -> Tensor:
    return q.new_empty(q.shape)


@_cross_backward.register_fake
def _(q: Tensor, kv: Tensor, grad: Tensor, num_heads: int) -> tuple[Tensor, Tensor]:
    return q.new_empty(q.shape), kv.new_empty(kv.shape)


def _save(ctx: Any, inputs: tuple, output: Tensor) -> None:
    *tensors, ctx.num_heads = inputs
    ctx.save_for_backward(*tensors)


def _differentiate_self(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    return _self_backward(*ctx.saved_tensors, grad, ctx.num_heads), None


def _differentiate_cross(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
    return (*_cross_backward(*ctx.saved_tensors, grad, ctx.num_heads), None)


_self.register_autograd(_differentiate_self, setup_context=_save)
_cross.register_autograd(_differentiate_cross, setup_context=_save)
