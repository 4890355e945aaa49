"""What segmentors need beyond mmseg; the one part of the package, besides its users, that imports mmseg.

Segmentation configs name this module in ``custom_imports``, so that its classes are registered.
"""

from . import requirements  # noqa: F401  # before anything else imports mmseg
from .dataset import ADE20KDataset
from .encoder_decoder import EncoderDecoder
from .linear_head import LinearHead
from .metric import IoUMetric
from .transforms import CentredResize, LoadAnnotations

__all__ = ["ADE20KDataset", "CentredResize", "EncoderDecoder", "IoUMetric", "LinearHead", "LoadAnnotations"]
