"""Test-time augmentation of detectors with masks, which mmdet's model for it refuses."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv.ops import batched_nms
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_flip
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData
from torch import Tensor

from mirl_mm.registry import MODELS

#: Axes of masks (N, H, W) that a flip turns.
_AXES = {"horizontal": (2,), "vertical": (1,), "diagonal": (1, 2)}


@MODELS.register_module()
class DetTTAModel(BaseTTAModel):
    """Merges what a detector finds in several versions of an image, flipped or of other sizes.

    Boxes of all versions pass one non-maximum suppression, as in mmdet's model of this name; a box that is kept has the
    mask that was found with it.

    Args:
        tta_cfg: ``nms``, of mmcv's ``batched_nms``, and ``max_per_img``.
        **kwargs: mmengine's: ``module``, the detector.
    """

    def __init__(self, tta_cfg: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tta_cfg = tta_cfg

    def merge_preds(self, data_samples_list: Sequence[Sequence[DetDataSample]]) -> list[DetDataSample]:
        """For each image its versions' data samples, of boxes in the original's pixels, to one of them all."""
        return [self._merge(samples) for samples in data_samples_list]

    def _merge(self, samples: Sequence[DetDataSample]) -> DetDataSample:
        every = InstanceData.cat([_flipped_back(sample) for sample in samples])
        if len(every):
            kept, order = batched_nms(every.bboxes, every.scores, every.labels, dict(self.tta_cfg["nms"]))
            order = order[: self.tta_cfg["max_per_img"]]
            every = every[order]
            every.scores = kept[: len(order), -1]
        merged = samples[0].new()
        merged.pred_instances = every
        return merged


def _flipped_back(sample: DetDataSample) -> InstanceData:
    """A version's instances as they lie in the original."""
    found = sample.pred_instances
    if not sample.get("flip"):
        return found
    direction = sample.flip_direction
    back = found.new()
    back.bboxes = bbox_flip(found.bboxes, sample.ori_shape, direction)
    if "masks" in found:
        masks: Tensor = torch.as_tensor(found.masks)
        back.masks = masks.flip(_AXES[direction])
    return back
