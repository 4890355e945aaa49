"""Data sets, samplers and transforms; importing this registers them."""

from mirl_mm.errors import CorruptImageError

from .checks import check_dataset_cfg, preflight
from .decode import load_image
from .image_folder import ImageFolder
from .randomness import SeededIndex
from .samplers import EndlessSampler, EpochSampler
from .transforms import build_pipeline

__all__ = [
    "CorruptImageError",
    "EndlessSampler",
    "EpochSampler",
    "ImageFolder",
    "SeededIndex",
    "build_pipeline",
    "check_dataset_cfg",
    "load_image",
    "preflight",
]
