"""MIRL's encoders by name in timm: ``import mirl_mm.timm``, then ``timm.create_model("mirl_vit_base_48_patch16_224")``.

They are timm's own ``VisionTransformer``, so everything of timm works with them: ``num_classes``, ``img_size``,
``features_only``, its training scripts. Like MIRL's fine-tuning they score the mean of the patch tokens
(``global_pool="avg"``); files of weights come from ``tools/model_converters/export_weights.py`` (docs/weights.md), and
:func:`load` makes the model of such a file.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import timm
from safetensors import SafetensorError, safe_open
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import VisionTransformer, build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.vision_transformer import checkpoint_filter_fn
from torch import nn

from mirl_mm.models.backbones.presets import resolve_arch

#: Preset of ``DeepViT`` -> name in timm. ``mirl_vit_small`` is not timm's ``vit_small``, which has 6 heads.
NAMES = {
    "vit-s": "mirl_vit_small_patch16_224",
    "vit-s-54": "mirl_vit_small_54_patch16_224",
    "vit-b": "mirl_vit_base_patch16_224",
    "vit-b-24": "mirl_vit_base_24_patch16_224",
    "vit-b-48": "mirl_vit_base_48_patch16_224",
    "vit-l": "mirl_vit_large_patch16_224",
}

#: What timm has to know of images; no ``url``, since nothing is downloaded.
_CFG = {
    "num_classes": 1000,
    "input_size": (3, 224, 224),
    "pool_size": None,
    "crop_pct": 224 / 256,
    "interpolation": "bicubic",
    "fixed_input_size": True,
    "mean": IMAGENET_DEFAULT_MEAN,
    "std": IMAGENET_DEFAULT_STD,
    "first_conv": "patch_embed.proj",
    "classifier": "head",
}

#: Arguments that an exported file may give to ``timm.create_model``.
_ARGUMENTS = {
    *("depth", "embed_dim", "num_heads", "mlp_ratio", "patch_size", "img_size", "in_chans"),
    *("num_classes", "global_pool", "final_norm", "fc_norm"),
}

default_cfgs = generate_default_cfgs({name: dict(_CFG) for name in NAMES.values()})

#: ``checkpoint_filter_fn`` resamples positions; MIRL's and MAE's way is without antialiasing.
_filter = partial(checkpoint_filter_fn, antialias=False)


def load(path: str | Path, **changes: Any) -> nn.Module:
    """The model of a file that was exported in timm's layout, with its weights.

    Args:
        path: The ``.safetensors`` file.
        **changes: Arguments of ``timm.create_model`` in place of the file's: another ``num_classes`` (a new head), an
            ``img_size`` to which positions are resampled, ``features_only`` and so on.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another kind of file, or does not say which model of timm it is for.
    """
    try:
        with safe_open(str(path), "pt") as file:
            said = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{str(path)!r} is no whole safetensors file ({error})") from error
    try:
        options = json.loads(said.get("timm_arguments", "null"))
        ours = said.get("timm_model") in NAMES.values() and options.keys() <= _ARGUMENTS
    except (ValueError, AttributeError, RecursionError):  # no JSON, or no table
        ours = False
    if not ours and timm.is_model(str(said.get("timm_model"))):
        raise ValueError(
            f"{str(path)!r} is of timm's own {said['timm_model']}: timm.create_model makes it of that name, with "
            "checkpoint_path=FILE and the file's timm_arguments"
        )
    if not ours:  # timm.create_model would also take addresses, folders and files of weights
        raise ValueError(
            f"{str(path)!r} does not say which model of timm it is for: write it with "
            "tools/model_converters/export_weights.py --layout timm"
        )
    file_cfg = {"file": str(path), "num_classes": options.get("num_classes", _CFG["num_classes"])}
    return timm.create_model(said["timm_model"], pretrained=True, pretrained_cfg_overlay=file_cfg, **options | changes)


def timm_arguments(arch: dict[str, Any]) -> dict[str, Any]:
    """``VisionTransformer``'s arguments for a resolved arch of ``DeepViT``."""
    names = {"depth": "depth", "embed_dims": "embed_dim", "num_heads": "num_heads", "mlp_ratio": "mlp_ratio"}
    return {names[key]: value for key, value in arch.items()}


def _entry_point(arch: str, name: str) -> Callable[..., VisionTransformer]:
    """What ``timm.create_model`` calls for a name, as if it were written out in a module of timm's."""

    def create(pretrained: bool = False, **kwargs: Any) -> VisionTransformer:
        settings = {"patch_size": 16, "global_pool": "avg", **timm_arguments(resolve_arch(arch)), **kwargs}
        out_indices = settings.pop("out_indices", 3)  # with features_only: the last three blocks, timm's choice
        return build_model_with_cfg(
            VisionTransformer,
            name,
            pretrained,
            pretrained_filter_fn=_filter,
            feature_cfg={"out_indices": out_indices, "feature_cls": "getter"},
            **settings,
        )

    settings = resolve_arch(arch)
    create.__doc__ = "{depth} blocks of width {embed_dims} with {num_heads} heads.".format_map(settings)
    create.__name__ = create.__qualname__ = name
    return create


for _arch, _name in NAMES.items():
    globals()[_name] = register_model(_entry_point(_arch, _name))
