"""The decoder of masked-image pre-training: visible tokens in, pixels of the masked patches out.

One class serves MAE and MIRL. Both compute the textbook decoder exactly, in fewer operations:

* The sequence is [class, visible, masked] and never sorted back into image order: every token carries its own
  position, and attention does not depend on order.
* Before the first block a masked token is the mask token plus its position, the same for every sample. Its LayerNorm
  and QKV are computed once for the L positions and copied to the samples.
* After the last self-attention nothing mixes tokens, so its queries and all that follows are computed for the masked
  positions alone. With one block, as in ViT-S-54's decoders, that is the first block, too.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import LayerNorm, Size, WeightNormLinear, attend_to, init_linear, sincos_position
from ..layers.attention import attend_packed
from ..layers.rows import take_rows
from .decoder_block import CrossBlock, SelfBlock, attend_from_last, key_value
from .random_masking import Masking


class MaskedDecoder(nn.Module):
    """Transformer decoder with a learned mask token and fixed sin-cos positions.

    Args:
        grid: Patches (h, w) of the image; L = h*w.
        embed_dims: Width D.
        depth: Blocks.
        num_heads: Attention heads.
        out_dims: Predicted values per patch: rows * columns * channels.
        cross_attention: Blocks attend to a memory as well (MIRL) instead of to themselves only (MAE).
        weight_norm: Normalise the prediction layer's weight (MIRL): :class:`WeightNormLinear`.

    Raises:
        ValueError: If ``depth`` is not positive or ``num_heads`` does not divide ``embed_dims``.
    """

    pos_embed: Tensor

    def __init__(
        self,
        grid: Size,
        embed_dims: int,
        depth: int,
        num_heads: int,
        out_dims: int,
        cross_attention: bool = False,
        weight_norm: bool = False,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"a decoder needs at least one block, got depth {depth}")
        block = CrossBlock if cross_attention else SelfBlock
        self.mask_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
        self.register_buffer("pos_embed", sincos_position(embed_dims, grid, num_prefix=0), persistent=False)
        self.blocks = nn.ModuleList(block(embed_dims, num_heads) for _ in range(depth))
        self.norm = LayerNorm(embed_dims)
        self.pred: nn.Module = nn.Linear(embed_dims, out_dims)
        self.apply(init_linear)
        nn.init.normal_(self.mask_token, std=0.02)
        if weight_norm:
            self.pred = WeightNormLinear(self.pred)

    def forward(self, z: Tensor, masking: Masking, memory: Tensor | None = None) -> Tensor:
        """Predict the masked patches.

        Args:
            z: ``(B, P + K, D)`` embedded prefix (class) and visible tokens, in the order of ``masking.ids_keep``.
            masking: Which patches are visible and masked.
            memory: ``(B, N, D)`` for cross-attention.

        Returns:
            ``(B, M, out_dims)`` in the order of ``masking.ids_mask``.
        """
        visible = self._place(z, masking)
        table = self.mask_token[0] + self.pos_embed[0]  # (L, D): a masked token at every position
        x: Tensor = visible
        block: Any
        for i, block in enumerate(self.blocks):
            is_last = i == len(self.blocks) - 1
            if i == 0:
                x = self._first_attention(visible, table, masking.ids_mask, masked_only=is_last)
            elif is_last:
                num_masked = masking.ids_mask.shape[1]
                x = x[:, -num_masked:] + attend_from_last(block.attn, block.norm1(x), num_masked)
            else:
                x = x + block.attn(block.norm1(x))
            x = block.after_attention(x, memory)
        return self.pred(self.norm(x))

    def forward_all(self, z: Tensor, masking: Masking, memory: Tensor | None = None) -> Tensor:
        """Predict every patch, by the textbook formulation: ``(B, L, out_dims)`` in image order."""
        masked = (self.mask_token + self.pos_embed).expand(len(z), -1, -1)
        masked = masked.gather(1, masking.ids_mask[..., None].expand(-1, -1, z.shape[2]))
        x = torch.cat([self._place(z, masking), masked], dim=1)
        block: Any
        for block in self.blocks:
            x = block.after_attention(x + block.attn(block.norm1(x)), memory)
        y = self.pred(self.norm(x[:, -masking.mask.shape[1] :]))
        order = torch.cat([masking.ids_keep, masking.ids_mask], dim=1)[..., None].expand_as(y)
        return torch.empty_like(y).scatter(1, order, y)

    def _place(self, z: Tensor, masking: Masking) -> Tensor:
        """Add positions to the visible tokens; the prefix tokens' are zero."""
        position = F.pad(self.pos_embed[0][masking.ids_keep], (0, 0, z.shape[1] - masking.ids_keep.shape[1], 0))
        return z + position

    def _first_attention(self, visible: Tensor, table: Tensor, ids_mask: Tensor, masked_only: bool) -> Tensor:
        """The first block's self-attention; ``(B, M, D)`` if ``masked_only``, else ``(B, P + L, D)``."""
        block: Any = self.blocks[0]
        attn, dim = block.attn, table.shape[1]
        masked = take_rows(table, ids_mask)
        masked_qkv = take_rows(attn.qkv(block.norm1(table)), ids_mask)
        if masked_only:
            kv = torch.cat([key_value(attn, block.norm1(visible)), masked_qkv[..., dim:]], dim=1)
            return masked + attn.proj(attend_to(masked_qkv[..., :dim], kv, attn.num_heads))
        qkv = torch.cat([attn.qkv(block.norm1(visible)), masked_qkv], dim=1)
        return torch.cat([visible, masked], dim=1) + attn.proj(attend_packed(qkv, attn.num_heads))
