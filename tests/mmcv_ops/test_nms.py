import numpy as np
import pytest
import torch
from mmcv.ops import batched_nms, nms, nms_match, soft_nms

from tests.mmcv_ops.golden import equal, tensor

NUMBERS = [1, 50, 300]


def boxes_and_scores(number: int, device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    return tensor(f"nms/{number}/boxes").to(device), tensor(f"nms/{number}/scores").to(device)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("offset", [0, 1])
def test_nms_is_mmcvs_to_the_bit(number, offset, device):
    dets, keep = nms(*boxes_and_scores(number, device), 0.5, offset=offset)
    assert equal(keep, f"nms/{number}/offset{offset}/keep") and equal(dets, f"nms/{number}/offset{offset}/dets")


@pytest.mark.parametrize("number", NUMBERS)
def test_nms_with_limits(number, device):
    _, keep = nms(*boxes_and_scores(number, device), 0.5, score_threshold=0.2, max_num=20)
    assert equal(keep, f"nms/{number}/thr/keep")


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("agnostic", [False, True])
def test_batched_nms_is_mmcvs_to_the_bit(number, agnostic, device):
    boxes, scores = boxes_and_scores(number, device)
    config = {"type": "nms", "iou_threshold": 0.5}
    dets, keep = batched_nms(boxes, scores, tensor(f"nms/{number}/idxs").to(device), config, class_agnostic=agnostic)
    name = f"batched/{number}/agnostic{int(agnostic)}"
    assert equal(keep, f"{name}/keep") and equal(dets, f"{name}/dets")


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
def test_soft_nms_is_mmcvs(number, method, device):
    dets, keep = soft_nms(*boxes_and_scores(number, device), 0.3, sigma=0.5, min_score=1e-3, method=method)
    name = f"softnms/{number}/{method}"
    assert equal(keep, f"{name}/keep")
    dets = dets.cpu()  # where it is computed, too
    assert torch.equal(dets[:, :4], tensor(f"{name}/dets")[:, :4])
    if method == "gaussian":  # numpy's exponential and C's differ in the last digit
        assert (dets - tensor(f"{name}/dets")).abs().max() <= 2e-7
    else:
        assert equal(dets, f"{name}/dets")


def one_by_one(boxes, scores, threshold, sigma, lowest, method, offset) -> list[int]:
    """Soft-NMS as mmcv's loop does it: the box dropped changes place with the last, which is then looked at."""
    left = [
        [*map(np.float32, box), np.float32(score), i] for i, (box, score) in enumerate(zip(boxes, scores, strict=True))
    ]
    i = 0
    while i < len(left):
        best = max(range(i, len(left)), key=lambda j: (left[j][4], -j))
        left[i], left[best] = left[best], left[i]
        j = i + 1
        while j < len(left):
            a, b = left[i], left[j]
            width, height = (max(0.0, min(a[k + 2], b[k + 2]) - max(a[k], b[k]) + offset) for k in (0, 1))
            areas = sum((box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b))
            iou = width * height / (areas - width * height)
            lowered = {0: 0.0, 1: 1 - iou}.get(method, np.exp(-iou * iou / sigma))
            left[j][4] *= np.float32(lowered if method == 2 or iou >= threshold else 1.0)
            if left[j][4] < lowest:
                last = left.pop()
                if j < len(left):
                    left[j] = last
            else:
                j += 1
        i += 1
    return [box[5] for box in left]


@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
@pytest.mark.parametrize("offset", [0, 1])
def test_soft_nms_chooses_as_mmcv_between_equal_scores(method, offset):
    generator = torch.Generator().manual_seed(len(method) + offset)
    corner, size = torch.rand(2, 120, 2, generator=generator).mul(20).add(1).round()
    boxes = torch.cat([corner, corner + size], dim=1)
    scores = torch.randint(1, 5, (120,), generator=generator) / 8
    number = {"naive": 0, "linear": 1, "gaussian": 2}[method]
    expected = one_by_one(boxes.numpy(), scores.numpy(), 0.3, 0.5, 0.1, number, offset)
    _, keep = soft_nms(boxes, scores, 0.3, sigma=0.5, min_score=0.1, method=method, offset=offset)
    assert keep.tolist() == expected and 0 < len(expected) < 120


@pytest.mark.parametrize("number", NUMBERS)
def test_nms_match_is_mmcvs(number, device):
    boxes, scores = boxes_and_scores(number, device)
    groups = nms_match(torch.cat([boxes, scores[:, None]], dim=1), 0.5)
    assert equal(torch.tensor([len(group) for group in groups]), f"nms_match/{number}")
    assert sorted(torch.cat(groups).tolist()) == list(range(number))
    assert all(scores[group].diff().le(0).all() for group in groups)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_boxes(dtype):
    boxes, scores = (value.to(dtype) for value in boxes_and_scores(50))
    assert torch.equal(nms(boxes, scores, 0.5)[1], nms(boxes.float(), scores.float(), 0.5)[1])
    dets, keep = soft_nms(boxes, scores)
    assert dets.dtype == dtype and torch.equal(keep, soft_nms(boxes.float(), scores.float())[1])


def test_no_boxes():
    boxes, scores = torch.zeros(0, 4), torch.zeros(0)
    for function in (nms, soft_nms):
        dets, keep = function(boxes, scores, 0.5)
        assert dets.shape == (0, 5) and keep.shape == (0,) and keep.dtype == torch.long
    assert nms_match(torch.zeros(0, 5), 0.5) == []
