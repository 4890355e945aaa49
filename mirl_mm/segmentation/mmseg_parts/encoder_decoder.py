"""mmseg's segmentor for a backbone that takes whole patches, and may be frozen."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.segmentors import EncoderDecoder as MMSegEncoderDecoder
from torch import Tensor

from mirl_mm.registry import MODELS


@MODELS.register_module()
class EncoderDecoder(MMSegEncoderDecoder):
    """mmseg's ``EncoderDecoder`` (same arguments) that predicts images of any size.

    An image, or a window of one in slide inference, whose sides are no multiples of the backbone's patches is padded
    below and to the right, after normalisation and with zeros, as in training; scores of the padding are cut off. So
    slide inference pads nothing as long as the windows fit into the image. Maps get at least two patches a side, which
    the pyramid's half scale needs.

    Args:
        freeze_backbone: Train neck and heads alone; the backbone stays as it is, in evaluation mode.
        **kwargs: mmseg's.
    """

    def __init__(self, freeze_backbone: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.freeze_backbone = freeze_backbone
        if freeze_backbone:
            self.backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> "EncoderDecoder":
        """Switch between training and evaluation; a frozen backbone stays in evaluation."""
        super().train(mode)
        if self.freeze_backbone:
            self.backbone.eval()
        return self

    def extract_feat(self, inputs: Tensor) -> Sequence[Tensor]:
        """``(B, 3, H, W)`` -> the maps for the heads."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_backbone):
            maps = self.backbone(inputs)
        return self.neck(maps) if self.with_neck else maps

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """``(B, 3, H, W)`` -> scores ``(B, num_classes, H, W)``, of any size."""
        height, width = inputs.shape[-2:]
        rows, columns = getattr(self.backbone, "map_stride", (1, 1))
        padding = (0, _lacking(width, columns), 0, _lacking(height, rows))
        padded = F.pad(inputs, padding)
        metas = [{**meta, "img_shape": padded.shape[-2:]} for meta in batch_img_metas]
        return super().encode_decode(padded, metas)[..., :height, :width]


def _lacking(side: int, patch: int) -> int:
    """Pixels to the next multiple of a patch, two patches at least."""
    return max(-(-side // patch), 2) * patch - side
