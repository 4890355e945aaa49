"""How many attention heads weights were trained with, which no tensor's shape shows."""

import re
from typing import Any

from mirl_mm.checkpoint import Weights

from .presets import resolve_arch

#: Width -> heads of the usual models: the authors' (and ours), and timm's, which are MAE's.
_AUTHORS = {384: 12, 768: 12, 1024: 16}
_TIMM = {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 16}
_WIDTHS = {"tiny": 192, "small": 384, "base": 768, "large": 1024, "huge": 1280}
#: Where files name their model: ours, timm's on the Hugging Face hub, training scripts' ``--model``.
_NAMES = ("timm_model", "architecture", "arch", "model")


def stated_heads(weights: Weights) -> int | None:
    """Heads that the file itself tells: a number, the config of the run, or the name of a well-known model.

    None if it tells nothing.
    """
    number = str(weights.meta.get("num_heads", ""))
    if number.isdigit():
        return int(number)
    backbone: Any = (weights.cfg or {}).get("model", {}).get("backbone", {})
    if backbone.get("arch") and str(backbone.get("type", "")).endswith("DeepViT"):
        return resolve_arch(backbone["arch"])["num_heads"]
    names = [value for key in _NAMES if isinstance(value := weights.meta.get(key), str)]
    return next((heads for name in names if (heads := _heads_of_name(name, _by_authors(weights), weights))), None)


def _heads_of_name(name: str, by_authors: bool, weights: Weights) -> int | None:
    """Heads of ``mae_vit_base_patch16`` and the like, if the weights have the width that belongs to the name."""
    found = re.search("|".join(_WIDTHS), name)
    if not ("vit" in name and found and _WIDTHS[found[0]] == backbone_width(weights)):
        return None
    return (_AUTHORS if by_authors or "mirl" in name else _TIMM).get(_WIDTHS[found[0]])


def usual_heads(weights: Weights) -> int | None:
    """Heads of the usual models of this origin and width; None for a width that is unusual."""
    return (_AUTHORS if _by_authors(weights) else _TIMM).get(backbone_width(weights))


def backbone_width(weights: Weights) -> int:
    """Width C of the tokens; 0 if the weights don't show it."""
    norm = weights.state.get("backbone.blocks.0.norm1.weight")
    return 0 if norm is None else len(norm)


def _by_authors(weights: Weights) -> bool:
    """Whether the weights are the authors' or ours rather than timm's or MAE's."""
    return weights.kind == "paddle" or weights.layout in ("ours", "mirl")
