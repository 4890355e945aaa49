"""State-dict layouts of other code bases, renamed to ours.

Only names and axes change here; reading the files is somebody else's work.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .layout_vit import from_vit
from .layout_vitdet import HEADS, from_detectron2_vitdet

Arrays = Mapping[str, "np.ndarray | Tensor"]

_ENCODER = re.compile(r"^(cls_token|pos_embed|patch_embed\.|blocks\.|norm\.)")
_DECODER = re.compile(r"^(mask_token|decoder_blocks|decoder_norm|decoder_pred)(\d+)(\..+)?$")
_DECODER_PARTS = {
    "mask_token": "mask_token",
    "decoder_blocks": "blocks",
    "decoder_norm": "norm",
    "decoder_pred": "pred",
}
_WEIGHT_NORM = {"weight_g": "g", "weight_v": "v"}
_EARLIER = re.compile(r"(^|\.)parametrizations\.weight\.original([01])$")


def torch_axes(arrays: Arrays) -> dict[str, Tensor]:
    """PaddlePaddle's arrays as PyTorch's tensors: Linear weights (in, out) become (out, in).

    PaddlePaddle's bfloat16 arrives as 16-bit integers, as NumPy has no such type.
    """
    return {name: _torch_axes(name, torch.as_tensor(np.array(array))) for name, array in arrays.items()}


def _torch_axes(name: str, tensor: Tensor) -> Tensor:
    tensor = tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor
    return tensor.t().contiguous() if tensor.ndim == 2 and name.endswith((".weight", ".weight_v")) else tensor


def from_authors_mirl(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' MIRL pre-training weights, with PyTorch's axes, to :class:`mirl_mm.MIRL`'s keys.

    Numbered members (``decoder_pred3``) become list entries; ``decoder_embed0_1`` is the embedding of the tokens before
    the first block, ``decoder_embedG`` that of segment G + 1. Decoder positions are fixed and are dropped.

    Raises:
        ValueError: For a name that the layout does not have.
    """
    return dict(_rename_mirl(tensors))


def _rename_mirl(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in tensors.items():
        if re.fullmatch(r"decoder_pos_embed\d+", name):
            continue
        if _ENCODER.match(name):
            yield f"backbone.{name}", tensor
        elif name.startswith("norm_low."):
            yield f"norms.0.{name.removeprefix('norm_low.')}", tensor
        elif match := re.fullmatch(r"norm(\d+)\.(.+)", name):
            yield f"norms.{int(match[1]) + 1}.{match[2]}", tensor
        elif match := re.fullmatch(r"decoder_embed0_1\.(.+)", name):
            yield f"embeds.0.{match[1]}", tensor
        elif match := re.fullmatch(r"decoder_embed(\d+)\.(.+)", name):
            yield f"embeds.{int(match[1]) + 1}.{match[2]}", tensor
        elif match := _DECODER.match(name):
            part, rest = _DECODER_PARTS[match[1]], match[3] or ""
            leaf = rest.removeprefix(".")
            if leaf in _WEIGHT_NORM:
                rest = f".{_WEIGHT_NORM[leaf]}"
            yield f"decoders.{match[2]}.{part}{rest}", tensor[None] if leaf == "weight_g" else tensor
        else:
            raise ValueError(f"{name!r} is no name of the authors' MIRL pre-training weights")


def from_mae(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename facebookresearch/mae pre-training weights to :class:`mirl_mm.MAE`'s keys.

    Decoder positions are fixed and are dropped.

    Raises:
        ValueError: For a name that the layout does not have.
    """
    renamed = {}
    for name, tensor in tensors.items():
        if name == "decoder_pos_embed":
            continue
        if _ENCODER.match(name):
            renamed[f"backbone.{name}"] = tensor
        elif name.startswith("decoder_embed."):
            renamed[name.replace("decoder_embed.", "embed.")] = tensor
        elif name == "mask_token":
            renamed["decoder.mask_token"] = tensor
        elif match := re.fullmatch(r"decoder_(blocks|norm|pred)\.(.+)", name):
            renamed[f"decoder.{match[1]}.{match[2]}"] = tensor
        else:
            raise ValueError(f"{name!r} is no name of MAE pre-training weights")
    return renamed


def from_ours(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our own names. Earlier versions had ``parametrizations.weight.original0`` and ``1`` for ``g`` and ``v``."""
    return {_EARLIER.sub(lambda match: match[1] + "gv"[int(match[2])], name): value for name, value in tensors.items()}


class Layout(NamedTuple):
    """A known set of names.

    Attributes:
        name: ``"ours"``, ``"vitdet"``, ``"mirl"``, ``"mae"`` or ``"vit"``.
        title: For messages.
        marks: Names by which it is recognised, all of them.
        rename: To our names.
        leaves_out: What names begin with that have no counterpart.
    """

    name: str
    title: str
    marks: tuple[str, ...]
    rename: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    leaves_out: tuple[str, ...] = ()


#: What wrappers call the module in them: DDP, ``torch.compile``, FSDP and activation checkpointing.
_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_COUNTER = "n_averaged"  # of torch's AveragedModel
_QKV, _NORM = "blocks.0.attn.qkv.weight", "blocks.0.norm1.weight"
#: The first one whose marks are all there counts.
LAYOUTS = (
    Layout("ours", "a model with a DeepViT as backbone", (f"backbone.{_QKV}",), from_ours),
    Layout("ours", "a model with a TimmViT as backbone", (f"backbone.{_NORM}",), from_ours),
    *(
        Layout("vitdet", "detectron2's ViTDet", (f"{start}net.{_QKV}",), from_detectron2_vitdet, HEADS)
        for start in ("backbone.", "")
    ),
    Layout("mirl", "the authors' MIRL pre-training", (_QKV, "norm_low.weight", "mask_token0"), from_authors_mirl),
    Layout("mae", "MAE pre-training", (_QKV, "mask_token", "decoder_embed.weight"), from_mae),
    Layout("vit", "a ViT with mean pooling and a head, as MAE's fine-tuning", (_QKV, "fc_norm.weight"), from_vit),
    Layout("vit", "a ViT with a head, as timm's", (_QKV, "head.weight"), from_vit),
    Layout("vit", "a ViT without head", (_QKV,), from_vit),
    Layout("vit", "a ViT with separate queries, keys and values, as some of timm's", (_NORM,), from_vit),
)


def recognise(names: Iterable[str]) -> Layout:
    """The layout to which names belong.

    Raises:
        ValueError: If none is known, with the first names and what is known.
    """
    given = dict.fromkeys(names)
    for layout in LAYOUTS:
        if set(layout.marks) <= given.keys():
            return layout
    known = "; ".join(dict.fromkeys(layout.title for layout in LAYOUTS))
    raise ValueError(
        f"the layout of its {len(given)} names is unknown: {', '.join(list(given)[:5])}"
        f"{', ...' if len(given) > 5 else ''}. Known are: {known}"
    )


def strip_wrappers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off what wrappers put into names, wherever they stand: around the model, a part of it, or each other.

    Raises:
        ValueError: If two names become one.
    """
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        own = unwrapped(name)
        if own in state:
            raise ValueError(f"{own!r} is there twice, with what wrappers put into names and without: {name!r}")
        if own != _COUNTER:
            state[own] = tensor
    return state


def unwrapped(name: str) -> str:
    """A name without the parts that wrappers put into it."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)
