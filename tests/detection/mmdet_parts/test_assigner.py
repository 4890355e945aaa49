"""Anchors and the objects that they learn, against detectron2's rule written out."""

import torch
from mmdet.structures.bbox import bbox_overlaps
from mmengine.structures import InstanceData

from mirl_mm.engine.launch import load_config
from mirl_mm.registry import TASK_UTILS
from tests.training import ROOT


def assigner():
    cfg = load_config(ROOT / "configs/det/mirl_vitb_coco.py").model.train_cfg.rpn.assigner
    return TASK_UTILS.build(cfg)


def detectron2s(overlaps: torch.Tensor) -> torch.Tensor:
    """The object, from 1, of each anchor; 0 is background, -1 neither. ``overlaps``: (objects, anchors)."""
    found = []
    best = overlaps.max(dim=1).values
    for column in overlaps.T:
        value, index = column.max(), int(column.argmax())
        label = 0 if value < 0.3 else -1 if value < 0.7 else 1
        if (column == best).any():
            label = 1
        found.append(index + 1 if label == 1 else label)
    return torch.tensor(found)


def test_anchors_are_labelled_as_in_detectron2():
    torch.manual_seed(0)
    anchors = torch.stack(torch.meshgrid(*[torch.arange(0, 64, 8.0)] * 2, indexing="xy"), dim=-1).reshape(-1, 2)
    anchors = torch.cat([torch.cat([anchors - half, anchors + half], dim=1) for half in (8, 16)])
    little = 0
    for _ in range(50):
        corners = torch.rand(6, 2) * 50
        objects = torch.cat([corners, corners + torch.rand(6, 2) * 30 + 0.5], dim=1)
        labels = torch.randint(0, 5, (6,))
        result = assigner().assign(InstanceData(priors=anchors), InstanceData(bboxes=objects, labels=labels))
        overlaps = bbox_overlaps(objects, anchors)
        assert torch.equal(result.gt_inds, detectron2s(overlaps))
        positive = result.gt_inds > 0
        assert torch.equal(result.labels[positive], labels[result.gt_inds[positive] - 1])
        little += int((overlaps.max(dim=1).values < 0.3).sum())
    assert little > 20  # those that mmdet's usual least overlap leaves without an anchor


def test_the_object_that_is_overlapped_more_is_learnt():
    """The first anchor is the best of both: of the second, though it overlaps the first one more."""
    overlaps = torch.tensor([[0.9, 0.1, 0.0], [0.4, 0.2, 0.1]])
    result = assigner().assign_wrt_overlaps(overlaps, torch.tensor([3, 4]))
    assert result.gt_inds.tolist() == [1, 0, 0] and result.labels.tolist() == [3, -1, -1]


def test_no_objects():
    result = assigner().assign_wrt_overlaps(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
    assert result.gt_inds.tolist() == [0, 0, 0]
