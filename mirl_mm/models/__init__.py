"""Models: layers, backbones, necks and pre-trainers."""

from .backbones import DeepViT, TimmViT
from .necks import SimpleFPN
from .pretrainers import MAE, MIRL

__all__ = ["MAE", "MIRL", "DeepViT", "SimpleFPN", "TimmViT"]
