"""Channels and strides of neck and heads, derived from the backbone."""

from itertools import chain
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from mirl_mm.config import scope_of
from mirl_mm.models.backbones import is_backbone

from .cfg_options import find_type
from .tasks import tasks


def fit_to_backbone(cfg: Config) -> None:
    """Set what of a model's neck and heads follows from its backbone, as its task says, where the config has it.

    So a config that names another encoder or patch size has to name nothing else. What changes is printed. Models
    whose backbone does not say its ``map_facts``, or necks of a kind that isn't known here, stay as they are.

    Raises:
        ValueError: For settings of which no backbone can be made.
    """
    model: Any = cfg.get("model") or {}
    backbone: Any = model.get("backbone") or {}
    with scope_of(cfg):
        kinds = [find_type((part or {}).get("type")) for part in (backbone, model.get("neck"))]
    kind: Any = kinds[0]
    if not (is_backbone(kind) and hasattr(kind, "map_facts")):
        return
    width, stride = kind.map_facts(backbone)
    changes = []
    for path, holder, key, value in chain(*(task.settings(model, kinds[1], width, stride) for task in tasks())):
        old = holder[key]
        if (list(old) if isinstance(old, tuple) else old) != value:
            holder[key] = value
            changes.append(f"{path}.{key} = {value} (was {old})")
    if changes:
        print_log(f"as backbone and neck are: {', '.join(changes)}", logger="current")
