"""Masked Image Residual Learning (Huang, Fu, Bors; NeurIPS 2023)."""

from typing import Any

import torch
from torch import Tensor, nn

from mirl_mm.registry import MODELS

from ..layers import LayerNorm, init_linear
from .decoder import MaskedDecoder
from .masked_pretrainer import Group, MaskedPretrainer
from .random_masking import Masking


@MODELS.register_module()
class MIRL(MaskedPretrainer):
    """Segments of the encoder, shallow and deep, reconstruct the image in pairs: main part plus residual.

    The encoder's blocks are cut into G segments. Decoder g predicts from segment g's output, attending to the embedded
    visible tokens of every shallower segment; for each pair (g, G + 1 - g) the sum of both predictions is compared with
    the target (paper section 3).

    Args:
        backbone: See :class:`MaskedPretrainer`.
        num_segments: G, even, a divisor of the backbone's depth. The released models use 6, the paper's figure shows 4.
        decoder_embed_dims: Width D of the decoders (384 for ViT-S, 512 for ViT-B in the paper).
        decoder_depth: Blocks of each decoder (1 and 2).
        decoder_num_heads: Heads of each decoder (12 and 16).
        residual: Whether segments predict in pairs. If not, each predicts the whole target by itself: an ablation.
        memory: Whether decoders attend to the shallower segments' tokens. If not, they see their own segment's.
        **kwargs: ``mask_ratio``, ``norm_target``, ``data_preprocessor``, ``init_cfg`` of :class:`MaskedPretrainer`.

    Raises:
        ValueError: If the number of segments is odd or does not divide the depth.
    """

    def __init__(
        self,
        backbone: dict,
        num_segments: int = 6,
        decoder_embed_dims: int = 512,
        decoder_depth: int = 2,
        decoder_num_heads: int = 16,
        residual: bool = True,
        memory: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(backbone, **kwargs)
        depth, width = self.backbone.depth, self.backbone.embed_dims
        check_segments(num_segments, depth)
        self.num_segments = num_segments
        self.residual = residual
        self.memory = memory
        self.segment_depth = depth // num_segments
        # norms[0] is LN_low, on the tokens before the first block; the last segment's is the encoder's final norm.
        self.norms = nn.ModuleList(LayerNorm(width) for _ in range(num_segments))
        self.embeds = nn.ModuleList(nn.Linear(width, decoder_embed_dims) for _ in range(num_segments + 1))
        self.decoders = nn.ModuleList(
            MaskedDecoder(
                self.grid,
                decoder_embed_dims,
                decoder_depth,
                decoder_num_heads,
                self.patch_dims,
                cross_attention=memory,
                weight_norm=True,
            )
            for _ in range(num_segments)
        )
        if not memory:  # nobody attends to the tokens before the first block
            self.norms[0], self.embeds[0] = nn.Identity(), nn.Identity()
        self.embeds.apply(init_linear)

    @property
    def term_names(self) -> list[str]:
        """``pair_1_6``, ``pair_2_5``, ... : segments counted from 1, from shallow to deep; or ``segment_1``, ..."""
        G = self.num_segments
        if not self.residual:
            return [f"segment_{g}" for g in range(1, G + 1)]
        return [f"pair_{g}_{G + 1 - g}" for g in range(1, G // 2 + 1)]

    def encode(self, images: Tensor, masking: Masking) -> list[Tensor]:
        """Embedded visible tokens z_0 ... z_G, each ``(B, P + K, D)``, prefix tokens first."""
        x, context = self.backbone.embed(images, masking.ids_keep), self.backbone.context(images, masking.ids_keep)
        embedded = [self.project(self.norms[0], self.embeds[0], x)]
        for g in range(1, self.num_segments + 1):
            x = self.backbone.run_blocks(x, (g - 1) * self.segment_depth, g * self.segment_depth, context)
            norm = self.norms[g] if g < self.num_segments else self.backbone.norm
            embedded.append(self.project(norm, self.embeds[g], x))
        return embedded

    def components(self, images: Tensor, masking: Masking, everywhere: bool = False) -> list[Group]:
        """See the base class and :meth:`groups`."""
        z = self.encode(images, masking)
        predictions = []
        decoder: Any
        for g, decoder in enumerate(self.decoders, start=1):
            decode = decoder.forward_all if everywhere else decoder
            predictions.append(decode(z[g], masking, torch.cat(z[:g], dim=1) if self.memory else None))
        return self.groups(predictions)

    def groups(self, predictions: list[Tensor]) -> list[Group]:
        """The segments' predictions as (main of segment g, residual of segment G + 1 - g) for each g up to G / 2.

        Not in pairs, each is a group of its own.
        """
        if not self.residual:
            return [(each,) for each in predictions]
        half = self.num_segments // 2
        return list(zip(predictions[:half], reversed(predictions[half:]), strict=True))


def check_segments(num_segments: int, depth: int) -> None:
    """Raise ValueError unless ``num_segments`` is even, positive and divides ``depth``."""
    if num_segments < 2 or num_segments % 2 or depth % num_segments:
        fitting = [g for g in range(2, depth + 1, 2) if depth % g == 0]
        fault = "does not divide" if num_segments >= 2 and num_segments % 2 == 0 else "is not an even number for"
        advice = f"use one of {fitting}" if fitting else "choose an even depth"
        raise ValueError(f"num_segments={num_segments} {fault} the backbone's {depth} blocks: {advice}")
