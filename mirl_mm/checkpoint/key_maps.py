"""State-dict layouts of other code bases, renamed to ours.

Only names and axes change here; reading the files is somebody else's work.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .key_maps_timm import from_vit
from .key_maps_vitdet import HEADS, from_detectron2_vitdet

Arrays = Mapping[str, "np.ndarray | Tensor"]

#: Names, as regular expressions that are tried in turn, and what they become; None: nothing of ours.
_Rules = tuple[tuple[str, Callable[[re.Match[str]], str] | None], ...]

_ENCODER: _Rules = ((r"(?:cls_token|pos_embed|patch_embed\.|blocks\.|norm\.).*", lambda m: f"backbone.{m[0]}"),)
#: Of the authors' MIRL. Numbered members become list entries; ``decoder_embed0_1`` is the embedding of the tokens
#: before the first block, ``decoder_embedG`` that of segment G + 1. Decoder positions are fixed.
_MIRL: _Rules = (
    (r"decoder_pos_embed\d+", None),
    *_ENCODER,
    (r"norm_low\.(.+)", lambda m: f"norms.0.{m[1]}"),
    (r"norm(\d+)\.(.+)", lambda m: f"norms.{int(m[1]) + 1}.{m[2]}"),
    (r"decoder_embed0_1\.(.+)", lambda m: f"embeds.0.{m[1]}"),
    (r"decoder_embed(\d+)\.(.+)", lambda m: f"embeds.{int(m[1]) + 1}.{m[2]}"),
    (r"decoder_(blocks|norm|pred)(\d+)\.weight_([gv])", lambda m: f"decoders.{m[2]}.{m[1]}.{m[3]}"),
    (r"decoder_(blocks|norm|pred)(\d+)(\..+)", lambda m: f"decoders.{m[2]}.{m[1]}{m[3]}"),
    (r"mask_token(\d+)", lambda m: f"decoders.{m[1]}.mask_token"),
)
#: Of MAE. Decoder positions are fixed.
_MAE: _Rules = (
    (r"decoder_pos_embed", None),
    *_ENCODER,
    (r"decoder_embed\.(.+)", lambda m: f"embed.{m[1]}"),
    (r"mask_token", lambda m: "decoder.mask_token"),
    (r"decoder_((?:blocks|norm|pred)\..+)", lambda m: f"decoder.{m[1]}"),
)
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

    Raises:
        ValueError: For a name that the layout does not have.
    """
    renamed = _renamed(tensors, _MIRL, "the authors' MIRL pre-training weights")
    return {name: tensor[None] if name.endswith(".g") else tensor for name, tensor in renamed.items()}


def from_mae(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename facebookresearch/mae pre-training weights to :class:`mirl_mm.MAE`'s keys.

    Raises:
        ValueError: For a name that the layout does not have.
    """
    return _renamed(tensors, _MAE, "MAE pre-training weights")


def _renamed(tensors: Mapping[str, Tensor], rules: _Rules, whose: str) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in tensors.items():
        found = next(((match, ours) for theirs, ours in rules if (match := re.fullmatch(theirs, name))), None)
        if found is None:
            raise ValueError(f"{name!r} is no name of {whose}")
        match, ours = found
        if ours is not None:
            renamed[ours(match)] = tensor
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
