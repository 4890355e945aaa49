"""What detectors need beyond mmdet, which this imports.

Detection configs name this module in ``custom_imports``, so that its classes are registered.
"""

from . import requirements  # noqa: F401  # before anything else imports mmdet
from .assigner import MaxIoUAssigner
from .cascade import CascadeRoIHead
from .dataset import CocoDataset
from .loading import LoadPolygons
from .mask_head import FCNMaskHead
from .metric import CocoMetric
from .shared_norms import SharedNormCheckHook
from .tta import DetTTAModel

__all__ = [
    "CascadeRoIHead",
    "CocoDataset",
    "CocoMetric",
    "DetTTAModel",
    "FCNMaskHead",
    "LoadPolygons",
    "MaxIoUAssigner",
    "SharedNormCheckHook",
]
