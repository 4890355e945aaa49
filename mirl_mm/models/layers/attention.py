"""Self-attention on PyTorch's fused kernel.

Shapes: B batch, N tokens, Q query tokens, C channels, H heads, D = C / H.
"""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from .attention_dispatch import use_efficient, use_short
from .attention_half_cpu import HALF, attend_half
from .attention_short import short_attention, short_cross_attention


def _split_heads(x: Tensor, num_heads: int) -> Tensor:
    """(B, N, C) -> (B, H, N, D)."""
    return x.unflatten(2, (num_heads, -1)).transpose(1, 2)


def attend(q: Tensor, k: Tensor, v: Tensor, num_heads: int) -> Tensor:
    """Fused scaled dot-product attention.

    Args:
        q: ``(B, Q, C)``.
        k: ``(B, N, C)``.
        v: ``(B, N, C)``.
        num_heads: H; scores are scaled by 1 / sqrt(C / H).

    Returns:
        ``(B, Q, C)``, heads joined.
    """
    q, k, v = (_split_heads(x, num_heads) for x in (q, k, v))
    return fused_attention(q, k, v).transpose(1, 2).flatten(2)


def attend_packed(qkv: Tensor, num_heads: int) -> Tensor:
    """:func:`attend` from the joint projection of all three: ``(B, N, 3C)`` -> ``(B, N, C)``."""
    if use_short(qkv, 3, num_heads):
        return short_attention(qkv, num_heads)
    q, k, v = qkv.chunk(3, dim=2)
    return attend(q, k, v, num_heads)


def attend_to(q: Tensor, kv: Tensor, num_heads: int) -> Tensor:
    """:func:`attend` with the joint projection of keys and values: ``(B, Q, C)``, ``(B, N, 2C)`` -> ``(B, Q, C)``."""
    if use_short(kv, 2, num_heads):
        return short_cross_attention(q, kv, num_heads)
    k, v = kv.chunk(2, dim=2)
    return attend(q, k, v, num_heads)


def fused_attention(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> Tensor:
    """Attention by the fused kernel, or what is faster (:mod:`.attention_half_cpu`, :mod:`.attention_dispatch`).

    Args:
        q: ``(B, H, Q, D)``.
        k: ``(B, H, N, D)``.
        v: ``(B, H, N, D)``.
        scale: Of the scores. Default: 1 / sqrt(D).

    Returns:
        ``(B, H, Q, D)``.
    """
    if q.device.type == "cpu" and q.dtype in HALF:
        return attend_half(q, k, v, scale)
    if use_efficient(q, k):
        with sdpa_kernel(SDPBackend.EFFICIENT_ATTENTION):
            return F.scaled_dot_product_attention(q, k, v, scale=scale)
    return F.scaled_dot_product_attention(q, k, v, scale=scale)


def check_heads(dim: int, num_heads: int) -> None:
    """Raise ValueError unless ``num_heads`` divides ``dim``."""
    if num_heads < 1 or dim % num_heads:
        raise ValueError(f"num_heads must divide the width {dim}, got {num_heads}")


class SelfAttention(nn.Module):
    """Multi-head self-attention with one fused projection; keys ``qkv`` and ``proj`` as in timm.

    Args:
        dim: Channels C.
        num_heads: H.

    Raises:
        ValueError: If ``num_heads`` does not divide ``dim``.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        check_heads(dim, num_heads)
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, dim * 3)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, N, C)`` -> ``(B, N, C)``."""
        return self.proj(attend_packed(self.qkv(x), self.num_heads))
