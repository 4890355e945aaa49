"""Files as DINOv2's and DINOv3's authors publish them, under timm's names: by timm's own conversion."""

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import torch
from timm.models import eva, vision_transformer
from torch import Tensor

from .timm_source import create_plain

#: Names, without the block's number, that the authors' files have and timm's have not.
_MARKS = ("register_tokens", "storage_tokens", "blocks.0.mlp.w12.weight")
_BIAS = "attn.qkv.bias"


def from_original(backbone: Any, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename what the authors' files call otherwise, for a TimmViT; others stay as they are.

    Raises:
        ValueError: If the file has biases that the model lacks.
    """
    if not any(name in state for name in _MARKS):
        return dict(state)
    with torch.device("meta"):
        vit = create_plain(backbone.model_name, backbone.timm_kwargs, in_chans=backbone.in_channels)
    convert = eva.checkpoint_filter_fn if backbone.is_eva else vision_transformer.checkpoint_filter_fn
    with redirect_stdout(io.StringIO()):  # timm prints that a model has no biases
        converted = convert(dict(state), vit)
    known = vit.state_dict()
    for name, bias in state.items():
        root = name.removesuffix(_BIAS)
        if root != name and not {name, f"{root}attn.q_bias"} & known.keys():
            queries, _, values = bias.chunk(3)  # those of keys are masked
            if queries.any() or values.any():
                raise ValueError(
                    f"the file has biases of queries and values ({name}), without which {backbone.model_name} would "
                    "give other features: take timm's model that has them "
                    f"({backbone.model_name.partition('.')[0]}_qkvb)"
                )
    return converted
