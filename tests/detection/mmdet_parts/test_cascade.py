"""The cascade: one sample for all stages, one mask head, as in detectron2."""

import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from mirl_mm.engine.launch import load_config
from mirl_mm.registry import MODELS
from tests.training import ROOT

SIZE = (64, 64)


@pytest.fixture(scope="module")
def head():
    cfg = load_config(ROOT / "configs/det/mirl_vitb_cascade_coco.py").model
    roi_head = cfg.roi_head.to_dict()
    small = {"in_channels": 8, "conv_out_channels": 8, "num_classes": 3}
    for each in roi_head["bbox_head"]:
        each.update(small, fc_out_channels=16)
    roi_head["mask_head"].update(small, num_convs=1)
    for name in ("bbox_roi_extractor", "mask_roi_extractor"):
        roi_head[name].update(out_channels=8)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmdet"):
        built = MODELS.build({**roi_head, "train_cfg": cfg.train_cfg.rcnn, "test_cfg": cfg.test_cfg.rcnn})
    built.init_weights()
    return built


def inputs():
    torch.manual_seed(1)
    maps = [torch.randn(2, 8, 64 // stride, 64 // stride) for stride in (4, 8, 16, 32)]
    boxes = torch.tensor([[4.0, 4, 30, 30], [20, 30, 60, 62]])
    samples, proposals = [], []
    for _ in range(2):
        masks = torch.zeros(2, *SIZE, dtype=torch.uint8)
        masks[0, 4:30, 4:30] = masks[1, 30:62, 20:60] = 1
        bitmaps = BitmapMasks(masks.numpy(), *SIZE)
        instances = InstanceData(bboxes=boxes, labels=torch.tensor([0, 2]), masks=bitmaps)
        sample = DetDataSample(metainfo={"img_shape": SIZE, "ori_shape": SIZE, "scale_factor": (1, 1)})
        sample.gt_instances, sample.ignored_instances = instances, InstanceData(bboxes=torch.zeros(0, 4))
        samples.append(sample)
        corners = torch.rand(700, 2) * 40
        proposals.append(InstanceData(bboxes=torch.cat([corners, corners + torch.rand(700, 2) * 20 + 4], dim=1)))
    return maps, proposals, samples


def test_later_stages_relabel_the_first_ones_sample(head, monkeypatch):
    seen = []
    original = type(head).bbox_loss

    def spy(self, stage, x, sampling_results):
        seen.append([(len(each.pos_priors), len(each.neg_priors)) for each in sampling_results])
        return original(self, stage, x, sampling_results)

    monkeypatch.setattr(type(head), "bbox_loss", spy)
    losses = head.loss(*inputs())
    first, second, third = seen
    assert [positive + negative for positive, negative in first] == [512, 512]
    assert [sum(each) for each in second] == [sum(each) for each in third] == [512, 512]  # objects among them
    # Regressions are next to nothing at the start, so the objects still overlap themselves.
    assert all(positive >= 2 for stage in seen for positive, _ in stage)
    assert [max(p for p, _ in stage) for stage in seen] == sorted((max(p for p, _ in s) for s in seen), reverse=True)
    masks = [name for name in losses if "loss_mask" in name]
    assert masks == ["s0.loss_mask"]
    assert losses["s0.loss_mask"].item() == pytest.approx(0.693, abs=0.01)  # ln 2, with weight 1 in all


def test_one_mask_head_predicts(head):
    assert sum("mask_head" in name and "logits.weight" in name for name in head.state_dict()) == 1
    maps, proposals, samples = inputs()
    head.eval()
    with torch.no_grad():
        found = head.predict(maps, proposals, samples, rescale=True)
        scores, regressions, masks = head.forward(maps, proposals, samples)
    head.train()
    assert all(each.masks.shape[1:] == SIZE and len(each.masks) == len(each.bboxes) for each in found)
    assert [each.shape for each in masks] == [(700, 3, 28, 28)] * 2 and len(scores) == len(regressions) == 2
