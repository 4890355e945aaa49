"""Blocks of decoders: MAE's and MIRL's, in two parts, and self-attention from some of the tokens.

A decoder computes the first part, self-attention, in its own, cheaper way (:class:`~.decoder.MaskedDecoder`);
``after_attention`` is the second.

Shapes: B batch, N tokens, Q query tokens, M memory tokens, C channels.
"""

import torch.nn.functional as F
from timm.layers import Mlp
from torch import Tensor, nn

from ..layers import Block, LayerNorm, SelfAttention, attend_to
from ..layers.attention import check_heads


class SelfBlock(Block):
    """The encoder's block as MAE's decoder has it."""

    def after_attention(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """MLP, token by token: ``(B, N, C)`` -> ``(B, N, C)``; there is no attention to a memory."""
        return x + self.mlp(self.norm2(x))


class CrossBlock(nn.Module):
    """MIRL's decoder block: self-attention, cross-attention to a memory, MLP (paper section 3.2).

    ``x += SelfAttn(LN1 x); x += CrossAttn(LN2 x, LN3 y); x += MLP(LN4 x)``. Norms are numbered as in the authors' code.

    Args:
        dim: Channels C.
        num_heads: Attention heads of both attentions.
        mlp_ratio: Hidden width of the MLP over C.
    """

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attn = SelfAttention(dim, num_heads)
        self.norm2 = LayerNorm(dim)
        self.norm3 = LayerNorm(dim)
        self.cross_attn = CrossAttention(dim, num_heads)
        self.norm4 = LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def after_attention(self, x: Tensor, memory: Tensor) -> Tensor:
        """Cross-attention and MLP, token by token: ``(B, N, C)``, memory ``(B, M, C)`` -> ``(B, N, C)``."""
        x = x + self.cross_attn(self.norm2(x), self.norm3(memory))
        return x + self.mlp(self.norm4(x))


class CrossAttention(nn.Module):
    """Multi-head attention from one sequence to another (method: "CrossAttn").

    Args:
        dim: Channels C of both sequences.
        num_heads: H.

    Raises:
        ValueError: If ``num_heads`` does not divide ``dim``.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        check_heads(dim, num_heads)
        self.num_heads = num_heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, dim * 2)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """``x`` (B, Q, C) attends to ``memory`` (B, M, C); returns (B, Q, C)."""
        return self.proj(attend_to(self.q(x), self.kv(memory), self.num_heads))


def attend_from_last(attn: SelfAttention, x: Tensor, num_queries: int) -> Tensor:
    """Self-attention of the last ``num_queries`` tokens: ``(B, N, C)`` -> ``(B, Q, C)``.

    The other tokens are only attended to, and their queries are never computed.
    """
    dim = x.shape[2]
    q = F.linear(x[:, -num_queries:], attn.qkv.weight[:dim], attn.qkv.bias[:dim])
    return attn.proj(attend_to(q, key_value(attn, x), attn.num_heads))


def key_value(attn: SelfAttention, x: Tensor) -> Tensor:
    """Keys and values without queries: ``(B, N, C)`` -> ``(B, N, 2C)``."""
    dim = x.shape[2]
    return F.linear(x, attn.qkv.weight[dim:], attn.qkv.bias[dim:])
