"""Which object an anchor learns, by detectron2's rule."""

import torch
from mmdet.models.task_modules.assigners import AssignResult
from mmdet.models.task_modules.assigners import MaxIoUAssigner as MMDetMaxIoUAssigner
from torch import Tensor

from mirl_mm.registry import TASK_UTILS


@TASK_UTILS.register_module()
class MaxIoUAssigner(MMDetMaxIoUAssigner):
    """mmdet's ``MaxIoUAssigner`` (same arguments) whose positive anchors learn the objects that they overlap most.

    With ``match_low_quality`` an object's best anchors are positive though they overlap it little. mmdet has them learn
    that object, even if they overlap another one more; in detectron2 (``modeling/matcher.py``,
    ``set_low_quality_matches_``) they are positive for the other.
    """

    def assign_wrt_overlaps(self, overlaps: Tensor, gt_labels: Tensor) -> AssignResult:
        """As mmdet's: overlaps ``(objects, anchors)`` -> an object, from 1, for each anchor; 0 is background."""
        result = super().assign_wrt_overlaps(overlaps, gt_labels)
        if overlaps.numel():
            positive = result.gt_inds > 0
            best = overlaps.argmax(dim=0)
            result.gt_inds = torch.where(positive, best + 1, result.gt_inds)
            result.labels = torch.where(positive, gt_labels[best], result.labels)
        return result
