"""The lightest head: what a linear classifier reads from a backbone's features, patch by patch."""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mirl_mm.registry import MODELS


@MODELS.register_module()
class LinearHead(BaseDecodeHead):
    """Batch norm without weights, then one linear layer; its scores are resized to the image.

    The norm, MAE's of its linear probe, makes features of different backbones and depths comparable without
    a learning rate for each. DINOv2's linear segmentation head is the same but for the norm's weights, which the linear
    layer has anyway.

    Args:
        in_channels: Channels of the map, or of each of several, which are concatenated.
        num_classes: Number of classes.
        in_index: Which of the backbone's maps; a sequence for several.
        dropout_ratio: Of channels.
        **kwargs: mmseg's of its heads: ``loss_decode``, ``ignore_index`` and more.
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        num_classes: int,
        in_index: int | Sequence[int] = -1,
        dropout_ratio: float = 0.0,
        **kwargs: Any,
    ) -> None:
        several = not isinstance(in_channels, int)
        super().__init__(
            in_channels,
            sum(in_channels) if not isinstance(in_channels, int) else in_channels,
            num_classes=num_classes,
            in_index=in_index,
            dropout_ratio=dropout_ratio,
            input_transform="resize_concat" if several else None,
            **kwargs,
        )
        self.norm = nn.BatchNorm2d(self.channels, eps=1e-6, affine=False)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps ``(B, C, h, w)`` -> scores ``(B, num_classes, h, w)``."""
        return self.cls_seg(self.norm(self._transform_inputs(inputs)))
