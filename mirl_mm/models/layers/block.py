"""Pre-norm Transformer blocks: the encoder's (``Block``) and MIRL's decoder's (``CrossBlock``).

Both split into self-attention and ``after_attention`` so that a decoder can compute self-attention its own, cheaper way
(see ``MaskedDecoder``).
"""

from functools import partial

from timm.layers import DropPath, Mlp
from torch import Tensor, nn

from .attention import CrossAttention, SelfAttention

#: LayerNorm of every ViT here; 1e-6 in timm, MAE and MIRL (PyTorch's default is 1e-5).
LayerNorm = partial(nn.LayerNorm, eps=1e-6)


class Block(nn.Module):
    """Pre-norm ViT block: ``x += Attn(LN1 x); x += MLP(LN2 x)``, with exact GELU. State-dict keys are timm's.

    Args:
        dim: Channels C.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP over C.
        drop_path_rate: Probability of dropping a residual branch of a sample while training.
        attn: The attention, where it is another than :class:`SelfAttention`.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        drop_path_rate: float = 0.0,
        attn: SelfAttention | None = None,
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attn = SelfAttention(dim, num_heads) if attn is None else attn
        self.norm2 = LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate > 0 else nn.Identity()

    def forward(self, x: Tensor, num_queries: int | None = None, memory: Tensor | None = None) -> Tensor:
        """(B, N, C) -> (B, Q, C): the last ``num_queries`` tokens (default: all). ``memory`` is not used."""
        kept = x if num_queries is None else x[:, -num_queries:]
        return self.after_attention(kept + self.drop_path(self.attn(self.norm1(x), num_queries)))

    def after_attention(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """The part behind self-attention, token by token: (B, N, C) -> (B, N, C). ``memory`` is not used."""
        return x + self.drop_path(self.mlp(self.norm2(x)))


class CrossBlock(nn.Module):
    """MIRL's decoder block: self-attention, cross-attention to ``memory``, MLP (paper section 3.2).

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

    def forward(self, x: Tensor, num_queries: int | None = None, memory: Tensor | None = None) -> Tensor:
        """(B, N, C) and memory (B, M, C) -> (B, Q, C): the last ``num_queries`` tokens (default: all)."""
        kept = x if num_queries is None else x[:, -num_queries:]
        return self.after_attention(kept + self.attn(self.norm1(x), num_queries), memory)

    def after_attention(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """Cross-attention and MLP, token by token: (B, N, C), memory (B, M, C) -> (B, N, C)."""
        x = x + self.cross_attn(self.norm2(x), self.norm3(memory))
        return x + self.mlp(self.norm4(x))
