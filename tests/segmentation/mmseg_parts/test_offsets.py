"""Labels lie where the image's objects are, at any scale, and predictions where the scores are."""

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmseg.structures import SegDataSample

from mirl_mm.engine.launch import load_config
from mirl_mm.registry import MODELS
from tests.training import ROOT

SIZE = (96, 128)
NUMBER = 100
CONFIGS = ("mirl_vitb_ade20k", "mirl_vitb48_640px_ade20k", "mirl_tiny24_96px_camvid")


@cache
def random_resize(name: str) -> dict:
    steps = load_config(ROOT / f"configs/seg/{name}.py").train_dataloader.dataset.pipeline
    return next(step for step in steps if step.type == "RandomResize")


def rectangles() -> np.ndarray:
    """``(NUMBER, 4)``: left, top, right, bottom in whole pixels, 20 to 60 of them wide and high."""
    rng = np.random.default_rng(0)
    sides = rng.integers(20, 61, (NUMBER, 2))
    corners = rng.integers(0, np.array(SIZE[::-1]) - sides + 1)
    return np.concatenate([corners, corners + sides], axis=1)


def bitmap(box: np.ndarray) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 1
    return mask


def centre(mask: np.ndarray) -> np.ndarray:
    """x and y; the first pixel's own is 0.5."""
    rows, columns = np.indices(mask.shape) + 0.5
    return np.array([(mask * columns).sum(), (mask * rows).sum()]) / mask.sum()


def offsets(name: str, scale: float, **settings) -> tuple[np.ndarray, np.ndarray]:
    """``(NUMBER, 2)`` each: how far labels and images are off after the recipe's resize by ``scale``."""
    step = deepcopy(random_resize(name))
    step.update(scale=SIZE[::-1], ratio_range=(scale, scale), **settings)
    with DefaultScope.overwrite_default_scope("mmseg"):
        resize = Compose([step])
    in_labels, in_images = [], []
    for box in rectangles():
        label = bitmap(box)
        sample = {"img": np.stack([255 * label] * 3, axis=-1), "gt_seg_map": label, "seg_fields": ["gt_seg_map"]}
        resized = resize({**sample, "img_shape": SIZE})
        labels = resized["gt_seg_map"]
        assert labels.shape == resized["img"].shape[:2] and labels.dtype == np.uint8
        factors = np.array(labels.shape[::-1]) / SIZE[::-1]
        truth = (box[:2] + box[2:]) / 2 * factors
        in_labels.append(centre(labels) - truth)
        in_images.append(centre(resized["img"][..., 0]) - truth)
    return np.array(in_labels), np.array(in_images)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("scale", [0.23, 0.37, 0.71, 1.0, 1.37, 2.0])
def test_labels_stay_in_place(name, scale):
    labels, images = offsets(name, scale)
    assert np.abs(images.mean(0)).max() < 0.06
    assert np.abs(labels.mean(0)).max() < 0.06 and np.abs(labels).max() <= 0.5


def test_mmsegs_own_resize_is_off():
    """What the test above would say of it."""
    labels, _ = offsets(CONFIGS[0], 0.71, resize_type="Resize")
    assert labels.mean(0) == pytest.approx([0.5] * 2, abs=0.1)


@pytest.mark.parametrize("scale", [0.5, 1.37, 2.0])
def test_predictions_are_brought_to_the_image_centred(scale):
    cfg = load_config(ROOT / "configs/seg/mirl_vitb_ade20k.py")
    with torch.device("meta"), DefaultScope.overwrite_default_scope("mmseg"):
        model = MODELS.build(cfg.model)
    size = tuple(round(side * scale) for side in SIZE)
    box = np.array([20, 30, 70, 60])
    left, top, right, bottom = (round(side) for side in box * scale)
    scores = torch.full((1, 2, *size), -1.0)
    scores[:, 1, top:bottom, left:right] = 1
    scores[:, 0] = -scores[:, 1]
    sample = SegDataSample(metainfo={"ori_shape": SIZE, "img_shape": size, "padding_size": [0] * 4, "flip": False})
    (sample,) = model.postprocess_result(scores, [sample])
    truth = np.array([left + right, top + bottom]) / 2 / size[::-1] * SIZE[::-1]
    assert centre(sample.pred_sem_seg.data[0].numpy()) == pytest.approx(truth, abs=0.3)
