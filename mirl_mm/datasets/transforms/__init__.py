"""Steps of a pipeline: each takes and returns a dict of one sample's values, the image under ``img``."""

from .augment import RandAugment
from .formatting import MaskNoise, PackInputs
from .geometry import CenterCrop, RandomFlip, RandomResizedCrop, ResizeShortSide
from .loading import LoadImage
from .pipeline import build_pipeline

__all__ = [
    "CenterCrop",
    "LoadImage",
    "MaskNoise",
    "PackInputs",
    "RandAugment",
    "RandomFlip",
    "RandomResizedCrop",
    "ResizeShortSide",
    "build_pipeline",
]
