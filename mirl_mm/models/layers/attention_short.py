"""Self-attention between few tokens on a GPU: one kernel from the packed ``qkv`` to the output, one back.

Library kernels are made for long sequences. Over the 50 tokens that an encoder sees in pre-training they take three
times as long as reading and writing the data does (docs/speed.md). As custom operators the two are seen as one step by
``torch.compile``, activation checkpointing, CUDA graphs and ``torch.export``.
"""

from typing import Any

import torch
from torch import Tensor

#: What the kernels take: scores of more tokens don't fit on the chip.
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
    check_short(qkv, num_heads)
    if torch.is_autocast_enabled("cuda") and qkv.dtype != torch.float64:
        qkv = qkv.to(torch.get_autocast_dtype("cuda"))
    return _forward(qkv, num_heads)


def check_short(qkv: Tensor, num_heads: int) -> None:
    """Raise ValueError unless the kernels take ``qkv`` ``(B, N, 3C)``."""
    tokens, width = qkv.shape[1:]
    if width % (3 * num_heads):
        raise ValueError(f"the width {width} of qkv is no multiple of 3 x {num_heads} heads")
    if tokens > MAX_TOKENS or width // (3 * num_heads) > MAX_CHANNELS:
        raise ValueError(
            f"the kernel takes up to {MAX_TOKENS} tokens and {MAX_CHANNELS} channels a head, got {tokens} and "
            f"{width // (3 * num_heads)}: use attend()"
        )


@torch.library.custom_op("mirl_mm::short_attention", mutates_args=())
def _forward(qkv: Tensor, num_heads: int) -> Tensor:
    from . import attention_short_kernels as kernels

    return kernels.forward(qkv.contiguous(), num_heads)


@torch.library.custom_op("mirl_mm::short_attention_backward", mutates_args=())
def _backward(qkv: Tensor, grad: Tensor, num_heads: int) -> Tensor:
    from . import attention_short_kernels as kernels

    return kernels.backward(qkv.contiguous(), grad.contiguous(), num_heads)


@_forward.register_fake
def _(qkv: Tensor, num_heads: int) -> Tensor:
    return qkv.new_empty(qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3)


@_backward.register_fake
def _(qkv: Tensor, grad: Tensor, num_heads: int) -> Tensor:
    return qkv.new_empty(qkv.shape)


def _save(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0])
    ctx.num_heads = inputs[1]


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    return _backward(ctx.saved_tensors[0], grad, ctx.num_heads), None


_forward.register_autograd(_differentiate, setup_context=_save)
