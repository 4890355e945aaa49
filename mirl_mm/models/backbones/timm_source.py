"""A plain Vision Transformer of timm by its name, or one line on why there is none."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import timm
import torch
from timm.layers import PatchEmbed
from timm.models import Eva, VisionTransformer
from timm.models.deit import VisionTransformerDistilled
from torch import nn

#: Where timm has them, and their classes. A subclass may compute something else, so classes have to be these.
_MODULES = ("vision_transformer", "eva", "deit")
_CLASSES = (VisionTransformer, VisionTransformerDistilled, Eva)
#: ``timm_kwargs`` that would be at odds with how the model is used here: what to take in their place.
_OWN = {
    "img_size": "img_size",
    "in_chans": "in_channels",
    "drop_path_rate": "drop_path_rate",
    "pretrained": 'init_cfg=dict(type="Pretrained", checkpoint="timm")',
    "checkpoint_path": 'init_cfg=dict(type="Pretrained", checkpoint=FILE)',
    "num_classes": "a head of the model around it",
    "out_indices": "out_indices",
    "features_only": "out_indices",
    "dynamic_img_size": "nothing: every size is taken",
    "dynamic_img_pad": "nothing: every size is taken",
    "patch_drop_rate": "nothing: TimmViT drops no patches",
}


def create_plain(model_name: str, timm_kwargs: Mapping[str, Any], **options: Any) -> Any:
    """``timm.create_model`` for a plain Vision Transformer without head, by the user's arguments and our options.

    Raises:
        ValueError: For an unknown name, another kind of model, and arguments that timm or we refuse.
    """
    if not timm.is_model(model_name):
        known = [name for module in _MODULES for name in timm.list_models(module=module)]
        close = get_close_matches(model_name.partition(".")[0], known, n=3, cutoff=0.5)
        raise ValueError(
            f"timm {timm.__version__} knows no model {model_name!r}"
            + (f": did you mean {', '.join(close)}?" if close else "; timm.list_models('vit*') shows what it has")
        )
    for name in timm_kwargs:
        if name in _OWN:
            raise ValueError(f"timm_kwargs must not set {name!r}: take {_OWN[name]}")
    given = {"num_classes": 0, "dynamic_img_size": True, **options, **timm_kwargs}
    try:
        vit = timm.create_model(model_name, **given)
    except (TypeError, AssertionError, RuntimeError, ValueError) as error:
        with torch.device("meta"):  # as it is, its weights not in memory
            check_plain(timm.create_model(model_name), model_name)
        raise ValueError(f"timm can't make {model_name!r} with {dict(timm_kwargs)}: {error}") from error
    check_plain(vit, model_name)
    return vit


def check_plain(model: nn.Module, model_name: str) -> None:
    """Refuse what is no plain Vision Transformer of patches.

    Raises:
        ValueError: Then.
    """
    if type(model) not in _CLASSES:
        strides = sorted({info["reduction"] for info in getattr(model, "feature_info", ())})
        why = f", hierarchical, with maps of strides {', '.join(map(str, strides))}" if len(strides) > 1 else ""
        raise ValueError(
            f"{model_name} is timm's {type(model).__name__}{why}: TimmViT takes plain Vision Transformers, timm's "
            f"{' and '.join(kind.__name__ for kind in _CLASSES)}, such as vit_base_patch14_dinov2"
        )
    if not isinstance(model.patch_embed, PatchEmbed):
        raise ValueError(
            f"{model_name} makes its tokens by a {type(model.patch_embed).__name__}: TimmViT takes models that embed "
            "patches by one linear layer"
        )
