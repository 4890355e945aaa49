"""State-dict layouts of other code bases, renamed to ours.

Only names and axes change here; reading the files is somebody else's work.
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

Arrays = Mapping[str, "np.ndarray | Tensor"]

_ENCODER = re.compile(r"^(cls_token|pos_embed|patch_embed\.|blocks\.|norm\.)")
_DECODER = re.compile(r"^(mask_token|decoder_blocks|decoder_norm|decoder_pred)(\d+)(\..+)?$")
_DECODER_PARTS = {
    "mask_token": "mask_token",
    "decoder_blocks": "blocks",
    "decoder_norm": "norm",
    "decoder_pred": "pred",
}
_WEIGHT_NORM = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}


def from_authors_mirl(arrays: Arrays) -> dict[str, Tensor]:
    """Rename the authors' MIRL pre-training weights (PaddlePaddle) to :class:`mirl_mm.MIRL`'s keys.

    Paddle stores Linear weights as (in, out): they are transposed. Numbered members (``decoder_pred3``) become list
    entries; ``decoder_embed0_1`` is the embedding of the tokens before the first block, ``decoder_embedG`` that of
    segment G + 1. Decoder positions are fixed and are dropped.

    Args:
        arrays: The authors' names to arrays.

    Returns:
        Our names to float tensors.

    Raises:
        KeyError: For a name that the layout does not have.
    """
    return dict(_rename_mirl(arrays))


def _rename_mirl(arrays: Arrays) -> Iterator[tuple[str, Tensor]]:
    for name, array in arrays.items():
        tensor = torch.as_tensor(np.array(array))
        if re.fullmatch(r"decoder_pos_embed\d+", name):
            continue
        if tensor.ndim == 2 and name.endswith((".weight", ".weight_v")):
            tensor = tensor.t().contiguous()
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
            raise KeyError(f"{name!r} is no name of the authors' MIRL pre-training weights")


def from_mae(tensors: Arrays) -> dict[str, Tensor]:
    """Rename facebookresearch/mae pre-training weights to :class:`mirl_mm.MAE`'s keys.

    Decoder positions are fixed and are dropped.

    Raises:
        KeyError: For a name that the layout does not have.
    """
    renamed = {}
    for name, value in tensors.items():
        tensor = torch.as_tensor(np.array(value))
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
            raise KeyError(f"{name!r} is no name of MAE pre-training weights")
    return renamed
