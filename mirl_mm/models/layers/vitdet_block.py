"""The encoder's block on a token map: windowed or global attention with relative positions, as ViTDet has it.

Shapes: B batch, H, W the map, C channels.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import SelfAttention
from .attention_rel_pos import attend_map
from .block import Block
from .position import Size
from .relative_position import relative_table, resize_relative
from .window import from_windows, pad_map, to_windows, window_padding


class MapAttention(SelfAttention):
    """Self-attention on a map of any size, within windows or across all of it; keys as in detectron2's ViT.

    A map that windows don't tile is padded with zeros, below and to the right. As in detectron2 those tokens are
    attended to (their keys and values are the projection's biases).

    Args:
        dim: Channels C.
        num_heads: Attention heads.
        window_size: (rows, columns) of a window; None means the whole map.
        rel_pos_size: (H, W) for which relative positions are stored, zero at first; maps of another size interpolate
            them. None means none.

    Raises:
        ValueError: If ``num_heads`` does not divide ``dim``.
    """

    def __init__(
        self, dim: int, num_heads: int, window_size: Size | None = None, rel_pos_size: Size | None = None
    ) -> None:
        super().__init__(dim, num_heads)
        self.window_size = window_size
        self.rel_pos_size = rel_pos_size
        if rel_pos_size is not None:
            self.rel_pos_h, self.rel_pos_w = (
                nn.Parameter(torch.zeros(2 * size - 1, dim // num_heads)) for size in rel_pos_size
            )
            self.register_load_state_dict_pre_hook(_resize_on_load)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, H, W, C)`` -> ``(B, H, W, C)``."""
        size = (x.shape[1], x.shape[2])
        window = self.window_size or size
        padding = window_padding(size, window)
        if any(padding) and type(self.qkv) is nn.Linear:  # not one with adapters
            # A zero token's projection is the bias: padding behind the product spares the product of the padding.
            qkv = pad_map(F.linear(x, self.qkv.weight), padding)
            qkv = qkv + self.qkv.bias.to(qkv.dtype)
        else:
            qkv = self.qkv(pad_map(x, padding) if any(padding) else x)
        heads = to_windows(qkv, window).unflatten(5, (3, self.num_heads, -1))  # (B, n, m, h, w, 3, heads, D)
        q, k, v = heads.permute(5, 0, 1, 2, 6, 3, 4, 7)  # (B, n, m, heads, h, w, D) each
        out = attend_map(q, k, v, self._tables(window)).permute(0, 1, 2, 4, 5, 3, 6).flatten(5)
        return self.proj(from_windows(out)[:, : size[0], : size[1]])

    def _tables(self, window: Size) -> tuple[Tensor, Tensor] | None:
        if self.rel_pos_size is None:
            return None
        return relative_table(self.rel_pos_h, window[0]), relative_table(self.rel_pos_w, window[1])


class MapBlock(Block):
    """:class:`Block` on a map ``(B, H, W, C)`` with :class:`MapAttention`.

    Args:
        dim: Channels C.
        num_heads: Attention heads.
        mlp_ratio: See :class:`Block`.
        drop_path_rate: See :class:`Block`.
        **kwargs: ``window_size`` and ``rel_pos_size`` of :class:`MapAttention`.
    """

    def __init__(
        self, dim: int, num_heads: int, mlp_ratio: float = 4.0, drop_path_rate: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(dim, num_heads, mlp_ratio, drop_path_rate, MapAttention(dim, num_heads, **kwargs))


def _resize_on_load(attention: MapAttention, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Interpolate a checkpoint's relative positions to the module's size (a load_state_dict pre-hook)."""
    assert attention.rel_pos_size is not None
    for name, size in zip(("rel_pos_h", "rel_pos_w"), attention.rel_pos_size, strict=True):
        key = f"{prefix}{name}"
        if key in state_dict:
            state_dict[key] = resize_relative(state_dict[key], size)
