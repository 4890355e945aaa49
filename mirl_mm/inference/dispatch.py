"""The inferencer for a model, among those that are registered."""

from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from mirl_mm.checkpoint import read_any
from mirl_mm.checkpoint.embedded_config import own_config
from mirl_mm.config import read_config
from mirl_mm.registry import INFERENCERS, PARTS, SCOPE, import_parts

from .base import ImageInferencer
from .commands import Command


def inferencers() -> list[type[ImageInferencer]]:
    """All that are registered, in order of their names."""
    INFERENCERS.import_from_location()
    kinds = [kind for _, kind in sorted(INFERENCERS.module_dict.items())]
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, ImageInferencer)]


def commands() -> list[Command]:
    """What ``tools/visualization/infer.py`` does with each of them."""
    return [kind.command(kind) for kind in inferencers()]


def inferencer_for(checkpoint: str | Path, config: str | Path | None = None) -> type[ImageInferencer]:
    """The class for a checkpoint's model: it reconstructs, labels images, finds objects or labels pixels.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: For a checkpoint without config, or of a model that does none of this.
        ImportError: For a detector without mmdet, or a segmentor without mmseg.
    """
    cfg: Any = read_config(config) if config else own_config(read_any(checkpoint), checkpoint)
    if not cfg.get("model"):
        raise ValueError(f"the config of '{checkpoint}' has no model: give that of its training by --config")
    scope = _scope(cfg)
    import_parts(scope)
    model = ImageInferencer.model_class(cfg)
    if not isinstance(model, type):
        raise ValueError(
            f"there is no model {cfg.model.type!r} for checkpoint '{checkpoint}': give the config file by --config, if "
            "it imports one"
        )
    for kind in inferencers():
        base = kind.base_model() if kind.default_scope in (SCOPE, scope) else None
        if base is not None and issubclass(model, base):
            return kind
    known = ", ".join(kind.models for kind in inferencers() if kind.models)
    raise ValueError(f"the model is {model.__name__}, for which there is no inferencer: there are some for {known}")


def _scope(cfg: Config | ConfigDict) -> str:
    """Whose names the config's are."""
    prefix, dot, _ = str(cfg.model.type).partition(".")
    return prefix if dot and prefix in PARTS else cfg.get("default_scope") or SCOPE
