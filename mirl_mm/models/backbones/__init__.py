"""Backbones."""

from .base import Backbone, Context, PlainBackbone, is_backbone
from .deep_vit import DeepViT
from .presets import ARCHS
from .pretrained import FromPretrained
from .timm_vit import TimmViT

__all__ = ["ARCHS", "Backbone", "Context", "DeepViT", "FromPretrained", "PlainBackbone", "TimmViT", "is_backbone"]
