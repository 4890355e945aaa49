"""``model.freeze_backbone``, one setting for models of every library."""

from typing import Any

from mmengine.config import Config

from mirl_mm.config import scope_of
from mirl_mm.models.backbones import is_backbone

from .cfg_options import find_type, parameters_of


def settle_freezing(cfg: Config) -> None:
    """Put ``model.freeze_backbone`` where it is read.

    Our classifier and segmentor have the setting themselves. Models that have none, such as mmdet's detectors, get
    their plain backbone ``frozen`` instead, which is the same: no gradient, no state of the optimiser,
    evaluation mode.

    Raises:
        ValueError: If such a model's backbone is none that can be ``frozen``, or if one with adapters would be.
    """
    model: Any = cfg.get("model") or {}
    if "freeze_backbone" not in model:
        return
    with scope_of(cfg):
        kind, backbone = (find_type((part or {}).get("type")) for part in (model, model.get("backbone")))
    if model.freeze_backbone and (model.get("backbone") or {}).get("lora"):
        raise ValueError(
            "model.freeze_backbone: nothing of the backbone would be trained, not even the adapters that "
            "model.backbone.lora asks for: set one of the two"
        )
    if kind is None or "freeze_backbone" in parameters_of(kind):
        return
    if not (backbone and is_backbone(backbone) and "frozen" in parameters_of(backbone)):
        raise ValueError(
            f"model.freeze_backbone: the backbone of {model.type} is {(model.get('backbone') or {}).get('type')}, and "
            "only plain ones such as DeepViT can be frozen by it: take its own setting, such as frozen_stages"
        )
    model.backbone.frozen = bool(model.pop("freeze_backbone"))
