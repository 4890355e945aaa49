"""The inferencer for a model."""

from pathlib import Path

from mmengine.config import Config, ConfigDict

from mirl_mm.checkpoint import read_any
from mirl_mm.checkpoint.own_config import own_config
from mirl_mm.config import read_config
from mirl_mm.models.classifiers import ImageClassifier
from mirl_mm.models.pretrainers import MaskedPretrainer
from mirl_mm.registry import PARTS, SCOPE, import_parts

from .base import ImageInferencer
from .classify import ClassifyInferencer
from .detect import DetectInferencer
from .reconstruct import ReconstructInferencer
from .segment import SegmentInferencer


def inferencer_for(checkpoint: str | Path, config: str | Path | None = None) -> type[ImageInferencer]:
    """The class for a checkpoint's model: it reconstructs, labels images, finds objects or labels pixels.

    Args:
        checkpoint: Of ``tools/train.py``.
        config: Its config file, where it holds none.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: For a checkpoint without config, or of a model that does none of this.
        ImportError: For a detector without mmdet, or a segmentor without mmseg.
    """
    cfg = read_config(config) if config else own_config(read_any(checkpoint), checkpoint)
    if not cfg.get("model"):
        raise ValueError(f"the config of '{checkpoint}' has no model: give that of its training by --config")
    kind = _model_class(cfg, checkpoint)
    if issubclass(kind, MaskedPretrainer):
        return ReconstructInferencer
    if issubclass(kind, ImageClassifier):
        return ClassifyInferencer
    scope = _scope(cfg)
    if scope == "mmdet":
        from mmdet.models.detectors import BaseDetector

        if issubclass(kind, BaseDetector):
            return DetectInferencer
    if scope == "mmseg":
        from mmseg.models.segmentors import EncoderDecoder

        if issubclass(kind, EncoderDecoder):
            return SegmentInferencer
    raise ValueError(f"the model is {kind.__name__}: neither a pre-trainer, a classifier, a detector nor a segmentor")


def _scope(cfg: Config | ConfigDict) -> str:
    """Whose names the config's are."""
    prefix, dot, _ = str(cfg.model.type).partition(".")
    return prefix if dot and prefix in PARTS else cfg.get("default_scope") or SCOPE


def _model_class(cfg: Config | ConfigDict, checkpoint: str | Path) -> type:
    import_parts(_scope(cfg))
    kind = ImageInferencer.model_class(cfg)
    if not isinstance(kind, type):
        raise ValueError(
            f"there is no model {cfg.model.type!r} for checkpoint '{checkpoint}': give the config file by --config, if "
            "it imports one"
        )
    return kind
