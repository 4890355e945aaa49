"""Image classification: the model, its heads, metric and inferencer."""

from .accuracy import Accuracy
from .heads import LinearClsHead, LinearProbeHead
from .image_classifier import ImageClassifier

__all__ = ["Accuracy", "ImageClassifier", "LinearClsHead", "LinearProbeHead"]
