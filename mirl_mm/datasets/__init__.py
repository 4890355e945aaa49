"""Data sets, samplers and transforms; importing this registers them."""

from .checks import check_dataset_cfg, preflight
from .decode import CorruptImageError, load_image
from .image_folder import ImageFolder
from .randomness import Draw
from .samplers import EndlessSampler, EpochSampler
from .transforms import build_pipeline

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
