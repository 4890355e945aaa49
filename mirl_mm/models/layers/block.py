"""The encoder's pre-norm Transformer block."""

from functools import partial

from timm.layers import DropPath, Mlp
from torch import Tensor, nn

from .attention import SelfAttention

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

    def forward(self, x: Tensor) -> Tensor:
        """``(B, N, C)``, or a map with such an attention -> the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))
