"""What a detector finds in versions of an image, merged."""

import pytest
import torch
from mmengine.structures import InstanceData
from torch import nn

pytest.importorskip("mirl_mm.detection.mmdet_parts", reason="needs mmdet", exc_type=ImportError)

from mmdet.structures import DetDataSample

from mirl_mm.detection.mmdet_parts import DetTTAModel

SIZE = (8, 10)  # (H, W)


class Detector(nn.Module):
    """Hands out the data samples it is given."""

    def test_step(self, data):
        return data["data_samples"]


def sample(boxes, scores, labels, direction=None, masks=True):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    found = InstanceData(bboxes=boxes, scores=torch.tensor(scores), labels=torch.tensor(labels, dtype=torch.long))
    if masks:
        found.masks = torch.zeros(len(boxes), *SIZE, dtype=torch.bool)
        for mask, (x1, y1, x2, y2) in zip(found.masks, boxes.int().tolist(), strict=True):
            mask[y1:y2, x1:x2] = True
    meta = {"ori_shape": SIZE, "flip": direction is not None, "flip_direction": direction, "img_path": "a.jpg"}
    return DetDataSample(metainfo=meta, pred_instances=found)


def merge(*versions, max_per_img=10):
    model = DetTTAModel({"nms": {"type": "nms", "iou_threshold": 0.5}, "max_per_img": max_per_img}, module=Detector())
    (merged,) = model.test_step({"data_samples": [[version] for version in versions]})
    return merged


def test_flipped_finds_are_turned_back_and_duplicates_merged():
    usual = sample([[1, 2, 4, 6]], [0.5], [3])
    # The same object, mirrored, with a higher score; and one that only this version shows.
    flipped = sample([[6, 2, 9, 6], [0, 0, 2, 2]], [0.9, 0.7], [3, 1], "horizontal")
    merged = merge(usual, flipped)
    found = merged.pred_instances
    assert merged.img_path == "a.jpg"
    assert found.bboxes.tolist() == [[1, 2, 4, 6], [8, 0, 10, 2]]
    assert found.scores.tolist() == pytest.approx([0.9, 0.7]) and found.labels.tolist() == [3, 1]
    for mask, (x1, y1, x2, y2) in zip(found.masks, found.bboxes.int().tolist(), strict=True):
        assert mask.sum() == mask[y1:y2, x1:x2].sum() == (x2 - x1) * (y2 - y1)


@pytest.mark.parametrize(("direction", "box"), [("vertical", [1, 2, 4, 6]), ("diagonal", [6, 2, 9, 6])])
def test_other_flips(direction, box):
    found = merge(sample([[1, 2, 4, 6]], [0.5], [0], direction)).pred_instances
    assert found.bboxes.tolist() == [box]
    assert found.masks[0, box[1] : box[3], box[0] : box[2]].all() and found.masks.sum() == 12


def test_at_most_so_many_and_none():
    boxes = [[0, 0, 2, 2], [4, 4, 6, 6], [7, 0, 9, 2]]
    found = merge(sample(boxes, [0.1, 0.3, 0.2], [0, 0, 0], masks=False), max_per_img=2).pred_instances
    assert found.bboxes.tolist() == [boxes[1], boxes[2]] and "masks" not in found
    assert len(merge(sample([], [], []), sample([], [], [], "horizontal")).pred_instances) == 0
