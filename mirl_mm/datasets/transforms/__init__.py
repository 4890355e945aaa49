"""Steps of a pipeline: each takes and returns a dict of one sample's values, the image under ``img``."""

from mirl_mm.datasets.transforms.augment import RandAugment
from mirl_mm.datasets.transforms.formatting import MaskNoise, PackInputs
from mirl_mm.datasets.transforms.geometry import CenterCrop, RandomFlip, RandomResizedCrop, ResizeShortSide
from mirl_mm.datasets.transforms.loading import LoadImage
from mirl_mm.datasets.transforms.pipeline import build_pipeline

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
