"""Boxes and masks lie where the image's objects are, at any scale, and predictions where the boxes are."""

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
from mmdet.structures.mask.mask_target import mask_target_single
from mmengine.config import ConfigDict
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from mirl_mm.detection.mmdet_parts import FCNMaskHead
from mirl_mm.engine.launch import load_config
from mirl_mm.rle import encode_rle
from tests.training import ROOT

SIZE = (384, 512)
#: No multiples of a quarter but whole ones: there edges would lie on pixels' centres, which are rounded to one side.
SCALES = (0.1, 0.23, 0.37, 0.71, 1.0, 1.37, 2.0)
NUMBER = 400
#: Every fourth rectangle from this on is of this kind.
KINDS = (("polygons", False), ("RLE", False), ("polygons", True), ("RLE", True))


def rectangles() -> np.ndarray:
    """``(NUMBER, 4)``: left, top, right, bottom in whole pixels, 20 to 120 of them wide and high."""
    rng = np.random.default_rng(0)
    sides = rng.integers(20, 121, (NUMBER, 2))
    corners = rng.integers(0, np.array(SIZE[::-1]) - sides + 1)
    return np.concatenate([corners, corners + sides], axis=1)


def bitmap(box: np.ndarray) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def instance(box: np.ndarray, form: str, crowd: bool) -> dict:
    left, top, right, bottom = box.tolist()
    polygon = [left, top, right, top, right, bottom, left, bottom]  # integers, as files may have them
    mask = [polygon] if form == "polygons" else encode_rle(bitmap(box))
    return {"bbox": [left, top, right, bottom], "bbox_label": 0, "mask": mask, "ignore_flag": int(crowd)}


@cache
def recipe() -> list:
    return load_config(ROOT / "configs/det/mirl_vitb_coco.py").train_dataloader.dataset.pipeline[1:]


def through_the_recipe(instances: list[dict], scale: float, **settings):
    """The recipe's training pipeline with jitter of ``scale``: image, 1 where objects are, instances and ignored ones.

    ``settings``: steps to what is changed of them.
    """
    steps = deepcopy(recipe())
    crop = {"crop_size": (2048, 2048)}  # nothing is cut
    jitter = {"scale": SIZE[::-1], "ratio_range": (scale, scale)}
    settings = {"RandomFlip": {"prob": 0.0}, "RandomResize": jitter, "RandomCrop": crop} | settings
    for step in steps:
        step.update(settings.pop(step.type, {}))
    assert not settings
    image = np.uint8(255) * np.logical_or.reduce([bitmap(each["bbox"]) for each in instances])
    results = {"img": np.stack([image] * 3, axis=-1), "img_shape": SIZE, "ori_shape": SIZE, "img_path": "x.jpg"}
    with DefaultScope.overwrite_default_scope("mmdet"):
        packed = Compose(steps)({**results, "instances": instances})
    sample = packed["data_samples"]
    return packed["inputs"][0].numpy() / 255, sample.gt_instances, sample.ignored_instances


def centres(masks: np.ndarray) -> np.ndarray:
    """``(N, 2)``, x and y; the first pixel's own is 0.5."""
    columns, rows = masks.sum(1, dtype=float), masks.sum(2, dtype=float)
    x, y = np.arange(masks.shape[2]) + 0.5, np.arange(masks.shape[1]) + 0.5
    return np.stack([columns @ x, rows @ y], axis=1) / rows.sum(1, keepdims=True)


def middles(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def scaled(boxes: np.ndarray, image: np.ndarray) -> np.ndarray:
    return boxes * np.array([image.shape[1] / SIZE[1], image.shape[0] / SIZE[0]] * 2)


def target_offsets(masks, truth: np.ndarray) -> np.ndarray:
    """How far mask targets, finer than the recipe's 28 x 28, of proposals larger than the objects are off."""
    margins = np.random.default_rng(1).uniform(0, 0.2 * (truth[:, 2:] - truth[:, :2]).min(), truth.shape)
    proposals = truth + margins * [-1, -1, 1, 1]
    whole = (proposals[:, :2] >= 0).all(1) & (proposals[:, 2:] <= [masks.width, masks.height]).all(1)
    proposals, indices = torch.from_numpy(proposals[whole]).float(), torch.from_numpy(np.flatnonzero(whole))
    targets = mask_target_single(proposals, indices, masks, ConfigDict(mask_size=112)).numpy()
    pixels = (proposals[:, 2:] - proposals[:, :2]).numpy() / 112
    return proposals[:, :2].numpy() + centres(targets) * pixels - middles(truth[whole])


@pytest.mark.parametrize("scale", SCALES)
def test_boxes_and_masks_are_scaled_exactly(scale):
    boxes = rectangles()
    instances = [instance(box, *KINDS[i % 4]) for i, box in enumerate(boxes)]
    image, objects, crowds = through_the_recipe(instances, scale)
    truth = scaled(boxes, image)
    for found, first in ((objects, 0), (crowds, 2)):
        for form in (0, 1):
            kind, masks = truth[first + form :: 4], found.masks[list(range(form, NUMBER // 2, 2))]
            assert np.abs(found.bboxes.tensor.numpy()[form::2] - kind).max() < 1e-3
            assert np.abs(target_offsets(masks, kind).mean(0)).max() < 0.05 * max(1, scale)
            if scale >= 0.3:  # smaller ones are of too few pixels
                offsets = centres(masks.to_ndarray()) - middles(kind)
                assert np.abs(offsets.mean(0)).max() < 0.05 and np.abs(offsets).max() <= 0.5


@pytest.mark.parametrize("form", ["polygons", "RLE"])
@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize("scale", [0.31, 0.71, 1.37])
def test_they_lie_where_the_image_shows_them(scale, flip, form):
    """Flipped, resized and cropped; the image is the witness, whose grey values are read to parts of a pixel."""
    offsets = []  # of objects that no crop has cut
    window = tuple(int(0.7 * scale * side) for side in SIZE[::-1])
    for seed, box in enumerate(rectangles()[:20]):
        np.random.seed(seed)
        crop = {"RandomFlip": {"prob": flip}, "RandomCrop": {"crop_size": window}}
        image, found, _ = through_the_recipe([instance(box, form, False)], scale, **crop)
        if not image.any():
            assert len(found) == 0
            continue
        left, top, right, bottom = found.bboxes.tensor[0].numpy()
        if min(left, top) > 1 and right < image.shape[1] - 1 and bottom < image.shape[0] - 1:
            offsets.append(np.array([left + right, top + bottom]) / 2 - centres(image[None])[0])
            assert (right - left) * (bottom - top) == pytest.approx(image.sum(), rel=0.01)
        shown = image > 0.5  # at most a row and a column are on the other side of a rounding
        assert (found.masks.to_ndarray()[0] != shown).sum() <= shown.any(0).sum() + shown.any(1).sum()
    assert len(offsets) > 2
    # The ramp that an enlarged edge has is sampled at whole pixels: that moves single centres, not their mean.
    assert np.abs(offsets).max() < 0.15 and np.abs(np.mean(offsets, axis=0)).max() < 0.05


def test_mmdets_own_bitmaps_are_half_a_pixel_off():
    """What the tests above would say of them: boxes and masks to the right and below."""
    boxes = rectangles()
    bitmaps = {"mirl_mm.LoadPolygons": {"type": "LoadAnnotations"}}
    image, found, _ = through_the_recipe([instance(box, "RLE", False) for box in boxes], 0.71, **bitmaps)
    truth = scaled(boxes, image)
    assert (found.bboxes.tensor.numpy() - truth).mean(0) == pytest.approx([0.5] * 4, abs=0.1)
    assert target_offsets(found.masks, truth).mean(0) == pytest.approx([0.5] * 2, abs=0.1)


@pytest.mark.parametrize("scale", [0.25, 0.6, 1.9])
def test_predicted_masks_are_pasted_into_their_boxes(scale):
    """From the network's frame back to the image's."""
    boxes = rectangles() + np.random.default_rng(1).uniform(-1, 1, (NUMBER, 4))
    with DefaultScope.overwrite_default_scope("mmdet"):
        head = FCNMaskHead(num_convs=1, in_channels=4, conv_out_channels=4, num_classes=1)
    found = InstanceData(bboxes=torch.from_numpy(boxes * scale).float(), labels=torch.zeros(NUMBER, dtype=torch.long))
    logits = torch.full((NUMBER, 1, 28, 28), -9.0)
    logits[:, :, 7:21, 7:21] = 9
    meta = {"scale_factor": (scale, scale), "ori_shape": SIZE, "img_shape": [round(side * scale) for side in SIZE]}
    (found,) = head.predict_by_feat([logits], [found], [meta], ConfigDict(mask_thr_binary=0.5), rescale=True)
    offsets = centres(found.masks.numpy()) - middles(boxes)
    assert np.abs(offsets.mean(0)).max() < 0.05 and np.abs(offsets).max() <= 0.5
