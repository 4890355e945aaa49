"""What segmentors need beyond mmseg, which this imports.

Segmentation configs name this module in ``custom_imports``, so that its classes are registered.
"""

from . import requirements  # noqa: F401  # before anything else imports mmseg
from .batch_norm import BatchNormCheckHook
from .dataset import ADE20KDataset
from .encoder_decoder import EncoderDecoder
from .linear_head import LinearHead
from .metric import IoUMetric
from .transforms import CentredResize, LoadAnnotations

__all__ = [
    "ADE20KDataset",
    "BatchNormCheckHook",
    "CentredResize",
    "EncoderDecoder",
    "IoUMetric",
    "LinearHead",
    "LoadAnnotations",
]
