"""Backbones."""

from .deep_vit import DeepViT
from .presets import ARCHS
from .pretrained import FromPretrained

__all__ = ["ARCHS", "DeepViT", "FromPretrained"]
