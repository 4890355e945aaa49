"""The mask head of R-CNN with its last layer initialised as in detectron2."""

from mmdet.models.roi_heads.mask_heads import FCNMaskHead as MMDetFCNMaskHead
from torch import nn

from mirl_mm.registry import MODELS


@MODELS.register_module()
class FCNMaskHead(MMDetFCNMaskHead):
    """mmdet's ``FCNMaskHead`` (same arguments) whose masks start at a probability of 0.5.

    The last layer's weights are drawn with a standard deviation of 0.001, as in ViTDet (detectron2,
    ``MaskRCNNConvUpsampleHead``). mmdet's depend on the number of classes C, sqrt(2 / C): with 8 classes, logits start
    at 1.2 and the loss above ln 2.
    """

    def init_weights(self) -> None:
        """As mmdet's, but for the last layer."""
        super().init_weights()
        nn.init.normal_(self.conv_logits.weight, std=0.001)
