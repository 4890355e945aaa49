"""Models: layers, backbones, pre-trainers and classifiers."""

from .backbones import DeepViT
from .classifiers import ImageClassifier, LinearClsHead, LinearProbeHead
from .pretrainers import MAE, MIRL

__all__ = ["MAE", "MIRL", "DeepViT", "ImageClassifier", "LinearClsHead", "LinearProbeHead"]
