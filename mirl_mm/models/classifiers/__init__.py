"""Image classification: fine-tuning and probing."""

from .heads import LinearClsHead, LinearProbeHead
from .image_classifier import ImageClassifier

__all__ = ["ImageClassifier", "LinearClsHead", "LinearProbeHead"]
