"""Cascade R-CNN's heads with one sample of boxes for all stages and one mask head, as in detectron2."""

from collections.abc import Sequence

import torch
from mmdet.models.roi_heads import CascadeRoIHead as MMDetCascadeRoIHead
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor

from mirl_mm.registry import MODELS


@MODELS.register_module()
class CascadeRoIHead(MMDetCascadeRoIHead):
    """mmdet's ``CascadeRoIHead`` (same arguments, but one ``mask_head`` and its extractor) in detectron2's way.

    detectron2 (``modeling/roi_heads/cascade_rcnn.py``) draws a sample of proposals and objects once. The later stages
    take these very boxes as the stage before has moved them and label them anew by their own overlap: give them
    ``sampler=dict(type="PseudoSampler")``. Its one mask head learns from the sample, and at test time from the last
    stage's boxes. mmdet draws again and adds the objects again in every stage, each of which has a mask head.

    The loss of the masks is weighted as the first stage's of the boxes.
    """

    init_mask_head = StandardRoIHead.init_mask_head
    _mask_forward = StandardRoIHead._mask_forward
    predict_mask = StandardRoIHead.predict_mask

    def bbox_loss(self, stage: int, x: Sequence[Tensor], sampling_results: list[SamplingResult]) -> dict:
        """As mmdet's; objects in the sample then pass for proposals, which are not taken out of it."""
        results = super().bbox_loss(stage, x, sampling_results)
        for each in sampling_results:
            each.pos_is_gt = torch.zeros_like(each.pos_is_gt)
        return results

    def mask_loss(
        self,
        stage: int,
        x: Sequence[Tensor],
        sampling_results: list[SamplingResult],
        batch_gt_instances: list[InstanceData],
    ) -> dict:
        """Predictions and loss for the sample; nothing in later stages."""
        if stage:
            return {"loss_mask": {}}
        results = self._mask_forward(x, bbox2roi([each.pos_priors for each in sampling_results]))
        loss = self.mask_head.loss_and_target(
            results["mask_preds"], sampling_results, batch_gt_instances, self.train_cfg[0]
        )
        return {**results, **loss}

    def forward(
        self, x: Sequence[Tensor], rpn_results_list: list[InstanceData], batch_data_samples: list[DetDataSample]
    ) -> tuple:
        """Scores, regressions and masks of the last stage for each image, without post-processing."""
        proposals = [each.bboxes for each in rpn_results_list]
        numbers = tuple(len(boxes) for boxes in proposals)
        metas = [sample.metainfo for sample in batch_data_samples]
        rois, scores, regressions = self._refine_roi(x, bbox2roi(proposals), metas, numbers)
        if not self.with_mask:
            return scores, regressions
        return scores, regressions, self._mask_forward(x, torch.cat(rois))["mask_preds"].split(numbers)
