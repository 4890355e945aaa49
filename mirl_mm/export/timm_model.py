"""The timm model that an encoder or a classifier of ours is."""

from typing import Any

import timm
import torch
from torch import Tensor, nn

from mirl_mm.checkpoint.key_maps_timm import to_timm
from mirl_mm.classification import ImageClassifier
from mirl_mm.models.backbones import PlainBackbone
from mirl_mm.models.backbones.presets import ARCHS, resolve_arch
from mirl_mm.timm import NAMES, timm_arguments

from .compare import TOLERANCE, relative_difference


def timm_call(model: PlainBackbone | ImageClassifier) -> tuple[str, dict[str, Any]]:
    """``timm.create_model``'s name and arguments for the same network, with only what differs from the defaults.

    Raises:
        ValueError: If timm has no such network.
    """
    backbone: Any = model.backbone if isinstance(model, ImageClassifier) else model
    if hasattr(backbone, "timm_call"):  # it knows its own, as a TimmViT does
        if not isinstance(model, ImageClassifier):
            return backbone.timm_call()
        norm = model.head.norm
        norm_eps = norm.eps if isinstance(norm, nn.LayerNorm) else None
        return backbone.timm_call(model.head.pool_kind, norm_eps, model.head.num_classes)
    if not hasattr(backbone, "arch"):
        raise ValueError(f"a {type(backbone).__name__} is no model of timm's: choose the layout 'mirl'")
    if backbone.cls_token is None:
        raise ValueError("timm has no backbone without class token, as detectors use it: choose the layout 'mirl'")
    preset = next((name for name in ARCHS if resolve_arch(name) == backbone.arch), None)
    base = timm_arguments(resolve_arch(preset or "vit-b"))
    options = {key: value for key, value in timm_arguments(backbone.arch).items() if value != base[key]}
    if backbone.patch_size != (16, 16):
        options["patch_size"] = backbone.patch_size
    if backbone.img_size != (224, 224):
        options["img_size"] = backbone.img_size
    if backbone.in_channels != 3:
        options["in_chans"] = backbone.in_channels
    return NAMES[preset or "vit-b"], options | _end(model, not isinstance(backbone.norm, nn.Identity))


def _end(model: PlainBackbone | ImageClassifier, final_norm: bool) -> dict[str, Any]:
    """Arguments for what follows the blocks."""
    if not isinstance(model, ImageClassifier):
        return {"num_classes": 0, "global_pool": "token"} | ({} if final_norm else {"final_norm": False})
    head = model.head
    head_norm = isinstance(head.norm, nn.LayerNorm)
    if final_norm and head_norm:
        raise ValueError(
            "the backbone's final_norm and the head's norm are both on, and timm's VisionTransformer has one of them: "
            "choose the layout 'mirl'"
        )
    options: dict[str, Any] = {} if head.num_classes == 1000 else {"num_classes": head.num_classes}
    if head.pool_kind != "avg":
        options["global_pool"] = head.pool_kind
    if not (final_norm or head_norm):
        options["final_norm"] = False
    elif head_norm != (head.pool_kind == "avg"):  # timm's default: the norm follows pooling by mean, else precedes it
        options["fc_norm"] = head_norm
    return options


def timm_state(model: PlainBackbone | ImageClassifier) -> dict[str, Tensor]:
    """The weights under timm's names.

    A linear probe's batch norm, for which timm has no place, becomes part of the linear layer: equal scores but for
    rounding. Everything else is equal to the bit.
    """
    if not isinstance(model, ImageClassifier):
        state = {f"backbone.{name}": tensor for name, tensor in model.state_dict().items()}
        return to_timm(state, hasattr(model, "arch"))
    state = model.state_dict()
    norm = model.head.norm
    if isinstance(norm, nn.BatchNorm1d):
        state = {name: tensor for name, tensor in state.items() if not name.startswith("head.norm.")}
        mean, variance = norm.get_buffer("running_mean").double(), norm.get_buffer("running_var").double()
        weight = state["head.fc.weight"].double() * (variance + norm.eps).rsqrt()
        bias = state["head.fc.bias"].double() - weight @ mean
        state |= {"head.fc.weight": weight.float(), "head.fc.bias": bias.float()}
    return to_timm(state, hasattr(model.backbone, "arch"))


def check_timm(
    model: PlainBackbone | ImageClassifier, name: str, options: dict[str, Any], state: dict[str, Tensor]
) -> float:
    """Compare timm's model with ours on random images.

    Returns:
        The largest difference of tokens or scores, as a share of the largest value.

    Raises:
        ValueError: If it is more than rounding.
    """
    theirs: Any
    with torch.device("meta"):
        theirs = timm.create_model(name, **options)
    theirs.load_state_dict(state, assign=True)
    if any(buffer.is_meta for buffer in theirs.buffers()):  # such as rotary positions' frequencies, in no file
        theirs = timm.create_model(name, **options)
        theirs.load_state_dict(state)
    theirs.eval()
    backbone = model.backbone if isinstance(model, ImageClassifier) else model
    shape = (2, backbone.in_channels, *backbone.img_size)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        if isinstance(model, ImageClassifier):
            expected, got = model(images), theirs(images)
        else:
            expected, got = model.forward_tokens(images)[-1], theirs.forward_features(images)
    difference = relative_difference(got, expected)
    if not difference <= TOLERANCE:
        raise ValueError(
            f"timm's {name} with these weights differs from ours by {difference:.1e} of the largest value (allowed: "
            f"{TOLERANCE:g}): its VisionTransformer can't be this network. Choose the layout 'mirl'"
        )
    return difference
