"""Data sets, samplers and transforms; importing this registers them."""

from mirl_mm.datasets.checks import check_dataset_cfg, preflight
from mirl_mm.datasets.decode import CorruptImageError, load_image
from mirl_mm.datasets.image_folder import ImageFolder
from mirl_mm.datasets.randomness import Draw
from mirl_mm.datasets.samplers import EndlessSampler, EpochSampler
from mirl_mm.datasets.transforms import build_pipeline

__all__ = [
    "CorruptImageError",
    "Draw",
    "EndlessSampler",
    "EpochSampler",
    "ImageFolder",
    "build_pipeline",
    "check_dataset_cfg",
    "load_image",
    "preflight",
]
