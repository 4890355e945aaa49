"""What detectors need beyond mmdet; the one part of the package, besides its users, that imports mmdet.

Detection configs name this module in ``custom_imports``, so that its classes are registered.
"""

try:
    import mmcv.ops  # noqa: F401
    import mmdet  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"detection needs mmcv and mmdet ({error}): pip install 'mirl_mm[det]'; "
        "python -m mirl_mm check_env says what is missing"
    ) from error

from .assigner import MaxIoUAssigner
from .cascade import CascadeRoIHead
from .dataset import CocoDataset
from .loading import LoadPolygons
from .mask_head import FCNMaskHead
from .metric import CocoMetric
from .tta import DetTTAModel

__all__ = [
    "CascadeRoIHead",
    "CocoDataset",
    "CocoMetric",
    "DetTTAModel",
    "FCNMaskHead",
    "LoadPolygons",
    "MaxIoUAssigner",
]
