"""What segmentors need beyond mmseg; the one part of the package, besides its users, that imports mmseg.

Segmentation configs name this module in ``custom_imports``, so that its classes are registered.
"""

try:
    import mmcv.ops  # noqa: F401
    import mmseg  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"segmentation needs mmcv and mmseg ({error}): pip install 'mirl_mm[seg]'; "
        "python -m mirl_mm check_env says what is missing"
    ) from error

from .dataset import ADE20KDataset
from .encoder_decoder import EncoderDecoder
from .linear_head import LinearHead
from .metric import IoUMetric
from .transforms import CentredResize, LoadAnnotations

__all__ = ["ADE20KDataset", "CentredResize", "EncoderDecoder", "IoUMetric", "LinearHead", "LoadAnnotations"]
