"""timm's names for our weights; the way back is :func:`mirl_mm.checkpoint.layouts.from_vit`.

The backbone's names are the same but for the prefix ``backbone.``; ``head.norm`` is timm's ``fc_norm`` and ``head.fc``
its ``head``.
"""

import re
from collections.abc import Mapping

from torch import Tensor

_BACKBONE = re.compile(
    r"cls_token|pos_embed|"
    r"(patch_embed\.proj|norm|blocks\.\d+\.(norm[12]|attn\.qkv|attn\.proj|mlp\.fc[12]))\.(weight|bias)"
)
#: Ours to timm's.
_HEAD = {
    "head.norm.weight": "fc_norm.weight",
    "head.norm.bias": "fc_norm.bias",
    "head.fc.weight": "head.weight",
    "head.fc.bias": "head.bias",
}


def to_timm(state: Mapping[str, Tensor], plain: bool = True) -> dict[str, Tensor]:
    """Rename the weights of a backbone (``backbone.*``) or classifier to timm's.

    Args:
        state: Our names to tensors.
        plain: Whether the backbone has to have what timm's ``VisionTransformer`` has by default, and no more.

    Raises:
        ValueError: For a name that timm's class has no place for, such as a decoder's.
    """
    renamed = {}
    for name, tensor in state.items():
        theirs = _HEAD.get(name, name.removeprefix("backbone."))
        if name not in _HEAD and not (name.startswith("backbone.") and (_BACKBONE.fullmatch(theirs) or not plain)):
            raise ValueError(f"timm's VisionTransformer has no place for {name!r}: choose the layout 'mirl'")
        renamed[theirs] = tensor
    return renamed
