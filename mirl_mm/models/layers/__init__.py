"""Plain torch layers; nothing here is registered."""

from .attention import SelfAttention, attend, attend_to
from .block import Block, LayerNorm
from .init import init_linear
from .patch import embed_patches, patch_grid, patchify, take_patches, unpatchify
from .position import Size, resample_position, sincos_position
from .vitdet_block import MapAttention, MapBlock
from .weight_norm import WeightNormLinear

__all__ = [
    "Block",
    "LayerNorm",
    "MapAttention",
    "MapBlock",
    "SelfAttention",
    "Size",
    "WeightNormLinear",
    "attend",
    "attend_to",
    "embed_patches",
    "init_linear",
    "patch_grid",
    "patchify",
    "resample_position",
    "sincos_position",
    "take_patches",
    "unpatchify",
]
