"""Names of a ViT of timm, of MAE's or MIRL's authors' fine-tuning, renamed to ours and back.

The backbone's names are the same but for our prefix ``backbone.``; ``head.norm`` is their ``fc_norm`` and ``head.fc``
their ``head``.
"""

import re
from collections.abc import Mapping

from torch import Tensor

#: Theirs to ours.
_HEAD = {
    "fc_norm.weight": "head.norm.weight",
    "fc_norm.bias": "head.norm.bias",
    "head.weight": "head.fc.weight",
    "head.bias": "head.fc.bias",
}
_HEAD_BACK = {ours: theirs for theirs, ours in _HEAD.items()}
_BACKBONE = re.compile(
    r"cls_token|pos_embed|"
    r"(patch_embed\.proj|norm|blocks\.\d+\.(norm[12]|attn\.qkv|attn\.proj|mlp\.fc[12]))\.(weight|bias)"
)


def from_vit(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a ViT to :class:`mirl_mm.ImageClassifier`'s keys.

    All but the head is called the backbone's, also what DeepViT lacks, such as ``dist_token``: it is refused by name
    where the weights are loaded.
    """
    return {_HEAD.get(name, f"backbone.{name}"): tensor for name, tensor in tensors.items()}


def to_timm(state: Mapping[str, Tensor], plain: bool = True) -> dict[str, Tensor]:
    """Rename the weights of a backbone (``backbone.*``) or classifier of ours to timm's.

    Args:
        state: Our names to tensors.
        plain: Whether the backbone has to have what timm's ``VisionTransformer`` has by default, and no more.

    Raises:
        ValueError: For a name that timm's class has no place for, such as a decoder's.
    """
    renamed = {}
    for name, tensor in state.items():
        theirs = _HEAD_BACK.get(name, name.removeprefix("backbone."))
        if name not in _HEAD_BACK and not (name.startswith("backbone.") and (_BACKBONE.fullmatch(theirs) or not plain)):
            raise ValueError(f"timm's VisionTransformer has no place for {name!r}: choose the layout 'mirl'")
        renamed[theirs] = tensor
    return renamed
