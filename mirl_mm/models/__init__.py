"""Models: layers, backbones, necks, pre-trainers and classifiers."""

from .backbones import DeepViT, TimmViT
from .classifiers import ImageClassifier, LinearClsHead, LinearProbeHead
from .necks import SimpleFPN
from .pretrainers import MAE, MIRL

__all__ = ["MAE", "MIRL", "DeepViT", "ImageClassifier", "LinearClsHead", "LinearProbeHead", "SimpleFPN", "TimmViT"]
