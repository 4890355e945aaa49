"""Names of detectron2's ViTDet, renamed to ours."""

import re
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

#: detectron2 names a level of the pyramid by the log2 of its stride, and its layers by their place. For each level: the
#: places of what rescales the map and has weights (ours are the same), then the place of the 1 x 1 convolution, behind
#: which comes the 3 x 3 one.
_LEVELS: dict[str, tuple[tuple[str, ...], int]] = {
    "2": (("0", "1", "3"), 4),
    "3": (("0",), 1),
    "4": ((), 0),
    "5": ((), 1),
}
#: Parts of a detector that are left out.
HEADS = ("proposal_generator.", "roi_heads.")
_PYRAMID = re.compile(r"simfp_([2-5])\.(\d+)\.(norm\.)?(weight|bias)")


def from_detectron2_vitdet(tensors: Mapping[str, np.ndarray | Tensor]) -> dict[str, Tensor]:
    """Rename the backbone and pyramid of a detectron2 ViTDet to ``backbone.*`` and ``neck.*`` of a detector of ours.

    Its names may begin with ``backbone.`` or not.

    They fit a :class:`mirl_mm.DeepViT` with windows, relative positions, learned positions and neither class token nor
    final norm, and a :class:`mirl_mm.models.necks.SimpleFPN`. The heads of published detectors (``proposal_generator``,
    ``roi_heads``) are dropped: other detectors have other ones.

    Raises:
        ValueError: For a name that the layout does not have.
    """
    renamed = {}
    for name, value in tensors.items():
        if name.startswith((*HEADS, "pixel_mean", "pixel_std")):
            continue
        renamed[_rename(name)] = value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
    return renamed


def _rename(name: str) -> str:
    own = name.removeprefix("backbone.")
    if re.match(r"net\.(pos_embed$|patch_embed\.|blocks\.)", own):
        return own.replace("net.", "backbone.", 1)
    if match := _PYRAMID.fullmatch(own):
        level, place, norm, leaf = match.groups()
        rescale, lateral = _LEVELS[level]
        number = int(level) - 2
        if place in rescale and not norm:
            return f"neck.rescale.{number}.{place}.{leaf}"
        convs = {str(lateral): "lateral_convs", str(lateral + 1): "fpn_convs"}
        if place in convs:
            return f"neck.{convs[place]}.{number}.{1 if norm else 0}.{leaf}"
    raise ValueError(f"{name!r} is no name of detectron2's ViTDet")
