"""Inferencers: models from a checkpoint, images from anywhere, one way of calling for every task."""

from .base import ImageInferencer
from .classify import ClassifyInferencer
from .detect import DetectInferencer
from .features import FeatureInferencer
from .reconstruct import ReconstructInferencer
from .segment import SegmentInferencer

__all__ = [
    "ClassifyInferencer",
    "DetectInferencer",
    "FeatureInferencer",
    "ImageInferencer",
    "ReconstructInferencer",
    "SegmentInferencer",
]
