"""Channels and strides of neck and heads, derived from the backbone."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope

from mirl_mm import registry
from mirl_mm.models.backbones import is_backbone
from mirl_mm.models.layers import Size
from mirl_mm.models.necks import SimpleFPN

from .options import find_type

#: The path of a part in a config, the part, a key of it, and the only value that the key can have.
_Setting = tuple[str, Any, str, Any]


def fit_to_backbone(cfg: Config) -> None:
    """Set what of a detector's or segmentor's neck and heads follows from its backbone, where the config has it.

    - The neck takes maps of the backbone's width; heads take maps of the neck's.
    - With :class:`~mirl_mm.SimpleFPN`, the strides of the levels, by which anchors and regions are positioned, follow
      from the stride of the backbone's map and scales. Other strides would train, at the wrong positions.

    So a config that names another encoder or patch size has to name nothing else. What changes is printed.

    Args:
        cfg: The config; changed in place. Models with a backbone that does not
            say its ``map_facts``, or necks of a kind that isn't known here, stay
            as they are.

    Raises:
        ValueError: For settings of which no backbone can be made.
    """
    model: Any = cfg.get("model") or {}
    backbone: Any = model.get("backbone") or {}
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", registry.SCOPE)):
        kinds = [find_type((part or {}).get("type")) for part in (backbone, model.get("neck"))]
    kind: Any = kinds[0]
    if not (is_backbone(kind) and hasattr(kind, "map_facts")):
        return
    width, stride = kind.map_facts(backbone)
    changes = []
    for path, holder, key, value in _settings(model, kinds[1], width, stride):
        old = holder[key]
        if (list(old) if isinstance(old, tuple) else old) != value:
            holder[key] = value
            changes.append(f"{path}.{key} = {value} (was {old})")
    if changes:
        print_log(f"as backbone and neck are: {', '.join(changes)}", logger="current")


def _settings(model: Any, neck: Any, width: int, stride: Size) -> Iterator[_Setting]:
    if neck is SimpleFPN:
        yield from _given("model.neck", model.neck, in_channels=width)
        yield from _of_detector(model, _strides(stride, model.neck))
    elif not model.get("neck") or getattr(neck, "__name__", "") == "Feature2Pyramid":  # maps as wide as the backbone's
        yield from _given("model.neck", model.get("neck"), embed_dim=width)
        for name in ("decode_head", "auxiliary_head"):
            for path, head in _each(f"model.{name}", model.get(name)):
                maps = head.get("in_channels")
                yield from _given(path, head, in_channels=width if isinstance(maps, int) else [width] * len(maps or ()))


def _of_detector(model: Any, strides: list[int | float] | None) -> Iterator[_Setting]:
    channels = model.neck.get("out_channels", 256)
    for name in ("rpn_head", "bbox_head"):
        for path, head in _each(f"model.{name}", model.get(name)):
            yield from _given(path, head, in_channels=channels)
            if strides is not None:
                yield from _given(path, head, strides=strides)
                yield from _given(f"{path}.anchor_generator", head.get("anchor_generator"), strides=strides)
    regions = model.get("roi_head") or {}
    for name in ("bbox_roi_extractor", "mask_roi_extractor"):
        for path, part in _each(f"model.roi_head.{name}", regions.get(name)):
            yield from _given(path, part, out_channels=channels)
            if strides is not None:  # regions may come from the first levels only
                yield from _given(path, part, featmap_strides=strides[: len(part.get("featmap_strides", ()))])
    for name in ("bbox_head", "mask_head"):
        for path, part in _each(f"model.roi_head.{name}", regions.get(name)):
            yield from _given(path, part, in_channels=channels)


def _strides(stride: Size, neck: Mapping) -> list[int | float] | None:
    """The stride of each level in pixels; None for patches that are not square."""
    rows, columns = stride
    if rows != columns:
        return None
    strides = [rows / scale for scale in neck.get("scales", (4, 2, 1, 0.5))]
    while len(strides) < neck.get("num_outs", 5):
        strides.append(2 * strides[-1])
    return [int(stride) if stride == int(stride) else stride for stride in strides]


def _each(path: str, given: Any) -> Iterator[tuple[str, Any]]:
    """A part of the model, or each of a list of them, with its path."""
    if isinstance(given, Mapping):
        yield path, given
    elif isinstance(given, (list, tuple)):
        yield from ((f"{path}.{i}", part) for i, part in enumerate(given) if isinstance(part, Mapping))


def _given(path: str, holder: Any, **values: Any) -> Iterator[_Setting]:
    """Those of the keys that the config has; what it leaves to a class is the class's."""
    for key, value in values.items():
        if holder and holder.get(key) is not None:
            yield path, holder, key, value
