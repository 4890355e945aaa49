"""Masked Autoencoder (He et al., CVPR 2022): what MIRL is compared with."""

from typing import Any

from torch import Tensor, nn

from mirl_mm.registry import MODELS

from ..layers import init_linear
from .decoder import MaskedDecoder
from .masked_pretrainer import Group, MaskedPretrainer
from .random_masking import Masking


@MODELS.register_module()
class MAE(MaskedPretrainer):
    """One decoder reconstructs the image from the encoder's output.

    Args:
        backbone: See :class:`MaskedPretrainer`.
        decoder_embed_dims: Width of the decoder (512 in the paper, table 1).
        decoder_depth: Its blocks (8).
        decoder_num_heads: Its heads (16).
        **kwargs: ``mask_ratio``, ``norm_target``, ``data_preprocessor``, ``init_cfg`` of :class:`MaskedPretrainer`.
    """

    def __init__(
        self,
        backbone: dict,
        decoder_embed_dims: int = 512,
        decoder_depth: int = 8,
        decoder_num_heads: int = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(backbone, **kwargs)
        self.embed = nn.Linear(self.backbone.embed_dims, decoder_embed_dims)
        self.decoder = MaskedDecoder(self.grid, decoder_embed_dims, decoder_depth, decoder_num_heads, self.patch_dims)
        self.embed.apply(init_linear)

    @property
    def term_names(self) -> list[str]:
        """The one term is the loss."""
        return ["loss"]

    def components(self, images: Tensor, masking: Masking, everywhere: bool = False) -> list[Group]:
        """One group of one prediction; see the base class."""
        x = self.backbone.embed(images, masking.ids_keep)
        x = self.backbone.run_blocks(x, context=self.backbone.context(images, masking.ids_keep))
        z = self.project(self.backbone.norm, self.embed, x)
        return [(self.decoder.forward_all(z, masking) if everywhere else self.decoder(z, masking),)]
