"""Models: layers, backbones and pre-trainers."""

from .backbones import DeepViT
from .pretrainers import MAE, MIRL

__all__ = ["MAE", "MIRL", "DeepViT"]
