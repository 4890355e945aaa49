"""Non-maximum suppression: plain, soft, and with the suppressed boxes' names kept."""

from __future__ import annotations

import numpy as np
import torch
import torchvision
from torch import Tensor

from .op_registration import op


@op()
def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Boxes kept: torchvision's ``nms``, in float32.

    Args:
        boxes: (N, 4), left, top, right, bottom.
        scores: (N,).
        iou_threshold: A box that overlaps a kept one by more is dropped.
        offset: 0, or 1 where a box includes its right and bottom pixels.

    Returns:
        Indices (K,), by falling score.
    """
    if offset:
        boxes = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)
    return torchvision.ops.nms(boxes.float(), scores.float(), float(iou_threshold))


@op("dets")
def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS (Bodla et al., 2017): a box's score falls by its overlap with each better one.

    Equal to mmcv's compiled op, which is for the CPU only, too: where scores tie, the same box comes first.

    Args:
        boxes: (N, 4).
        scores: (N,).
        dets: (N, 5), of which the first K rows are written: boxes and their lowered scores.
        iou_threshold: For methods 0 and 1, from which overlap on.
        sigma: Of method 2.
        min_score: A box whose score falls below is dropped.
        method: 0 sets the score to 0, 1 multiplies it by 1 - IoU, 2 by exp(-IoU² / sigma).
        offset: 0, or 1 where a box includes its right and bottom pixels.

    Returns:
        Indices (K,) of the boxes kept, in the order chosen.
    """
    rows = torch.cat([boxes, scores[:, None]], dim=1).float().numpy().copy()
    indices = np.arange(len(rows))
    limit, spread, lowest = (np.float32(value) for value in (iou_threshold, sigma, min_score))
    end = len(rows)
    first = 0
    while first < end:
        best = first + int(rows[first:end, 4].argmax())
        rows[[first, best]], indices[[first, best]] = rows[[best, first]], indices[[best, first]]
        rest = slice(first + 1, end)
        iou = _iou(rows[first], rows[rest], offset)
        if method == 2:
            rows[rest, 4] *= np.exp(-(iou * iou) / spread)
        else:
            lowered = 1 - iou if method == 1 else np.zeros_like(iou)
            rows[rest, 4] *= np.where(iou >= limit, lowered, np.float32(1))
        # Dropped boxes are replaced by the last ones, as mmcv does, since the order decides between equal scores.
        kept = rows[rest, 4] >= lowest
        count = int(kept.sum())
        holes = first + 1 + np.flatnonzero(~kept[:count])
        fillers = first + 1 + count + np.flatnonzero(kept[count:])[::-1]
        rows[holes], indices[holes] = rows[fillers], indices[fillers]
        end = first + 1 + count
        first += 1
    dets[:end] = torch.from_numpy(rows[:end]).to(dets)
    return torch.from_numpy(indices[:end])


@op()
def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Groups of boxes: one that NMS keeps and those that it suppresses.

    Args:
        dets: (N, 5) on the CPU, boxes and scores.
        iou_threshold: A box that overlaps a kept one by as much joins its group.

    Returns:
        Indices of each group, the kept box first and the others by falling score.
    """
    rows = dets.float().numpy()
    left = dets[:, 4].float().sort(descending=True)[1].numpy()
    groups = []
    while len(left):
        kept, left = left[0], left[1:]
        joins = _iou(rows[kept], rows[left], 0) >= np.float32(iou_threshold)
        groups.append([int(kept), *left[joins].tolist()])
        left = left[~joins]
    return groups


def _iou(box: np.ndarray, boxes: np.ndarray, offset: int) -> np.ndarray:
    """IoU (N,) of a box (4 or more,) with boxes (N, 4 or more), as float32; NaN between two boxes without area."""
    width, height = (
        np.maximum(np.float32(0), np.minimum(box[i + 2], boxes[:, i + 2]) - np.maximum(box[i], boxes[:, i]) + offset)
        for i in (0, 1)
    )
    area, areas = ((b[..., 2] - b[..., 0] + offset) * (b[..., 3] - b[..., 1] + offset) for b in (box, boxes))
    with np.errstate(invalid="ignore", divide="ignore"):
        return width * height / (area + areas - width * height)
