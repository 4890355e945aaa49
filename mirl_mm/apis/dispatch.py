"""The inferencer for a model."""

from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope

from mirl_mm.checkpoint.read import read_any
from mirl_mm.models.classifiers import ImageClassifier
from mirl_mm.models.pretrainers import MaskedPretrainer
from mirl_mm.registry import MODELS, SCOPE

from .base import ImageInferencer
from .classify import ClassifyInferencer
from .detect import DetectInferencer


def inferencer_for(checkpoint: str | Path, config: str | Path | None = None) -> type[ImageInferencer]:
    """The class that labels images, or finds objects in them, with a checkpoint's model.

    Args:
        checkpoint: Of ``tools/train.py``.
        config: Its config file, where it holds none.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: For a checkpoint without config, or of a model that does neither.
        ImportError: For a detector without mmdet.
    """
    cfg = Config.fromfile(config) if config else read_any(checkpoint).cfg
    if cfg is None or "model" not in cfg:
        raise ValueError(f"checkpoint '{checkpoint}' holds no config: give the config file by --config")
    kind = _model_class(cfg)
    if issubclass(kind, ImageClassifier):
        return ClassifyInferencer
    if issubclass(kind, MaskedPretrainer):
        raise ValueError(
            f"the model is {kind.__name__}, which was pre-trained and knows no classes: see what it reconstructs by "
            "tools/visualization/reconstruct.py, or give the checkpoint of a fine-tuning"
        )
    from mmdet.models.detectors import BaseDetector

    if issubclass(kind, BaseDetector):
        return DetectInferencer
    raise ValueError(f"the model is {kind.__name__}, neither a classifier nor a detector")


def _model_class(cfg: Config | ConfigDict) -> type:
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope") or SCOPE):
        if cfg.get("default_scope") == "mmdet" or str(cfg.model.type).startswith("mmdet."):
            import mirl_mm.detection  # noqa: F401  # says what is missing
        with MODELS.switch_scope_and_registry(None) as registry:
            kind = registry.get(cfg.model.type)
    if not isinstance(kind, type):
        raise ValueError(f"there is no model {cfg.model.type!r}: give the config file by --config, if it imports one")
    return kind
