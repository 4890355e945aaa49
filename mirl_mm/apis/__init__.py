"""Inferencers: models from a checkpoint, images from anywhere, one way of calling for every task."""

from .base import ImageInferencer
from .reconstruct import ReconstructInferencer

__all__ = ["ImageInferencer", "ReconstructInferencer"]
