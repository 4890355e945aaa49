"""MIRL pre-training of deep plain Vision Transformers, and their transfer.

Importing the package imports nothing heavy: ``mirl_mm.DeepViT``, ``mirl_mm.MIRL`` and the other names below are loaded
on first use.
"""

from importlib import import_module
from typing import Any

from .limits import limit_opencv as _limit_opencv
from .mmcv_ops import install as _install_mmcv_ops

__version__ = "0.1.0"

_LAZY = {
    "DeepViT": "mirl_mm.models.backbones",
    "TimmViT": "mirl_mm.models.backbones",
    "MIRL": "mirl_mm.models.pretrainers",
    "MAE": "mirl_mm.models.pretrainers",
    "ImageClassifier": "mirl_mm.classification",
    "SimpleFPN": "mirl_mm.models.necks",
    "ClassifyInferencer": "mirl_mm.classification.inferencer",
    "DetectInferencer": "mirl_mm.detection.inferencer",
    "FeatureInferencer": "mirl_mm.probing.inferencer",
    "ReconstructInferencer": "mirl_mm.pretraining.inferencer",
    "SegmentInferencer": "mirl_mm.segmentation.inferencer",
    "Run": "mirl_mm.apis.run",
    "pretrain": "mirl_mm.apis.training",
    "train": "mirl_mm.apis.training",
}
__all__ = ["__version__", *_LAZY]

_limit_opencv()
_install_mmcv_ops()


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'mirl_mm' has no attribute {name!r}")
