"""Backbones."""

from .deep_vit import DeepViT
from .presets import ARCHS

__all__ = ["ARCHS", "DeepViT"]
