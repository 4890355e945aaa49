"""Bitmaps to polygons and back."""

import numpy as np
import pytest
from pycocotools import mask as coco

from mirl_mm.detection.mmdet_parts.outlines import outlines


def area(polygon: np.ndarray) -> float:
    x, y = polygon.reshape(-1, 2).T
    return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2


def ring() -> np.ndarray:
    y, x = np.mgrid[:40, :50] + 0.5
    radius = np.hypot(y - 20, x - 24)
    return (radius < 18) & (radius > 7)


def touching_corners() -> np.ndarray:
    return np.eye(6, 9, dtype=bool)


def noise() -> np.ndarray:
    return np.random.default_rng(0).random((30, 40)) < 0.5


@pytest.mark.parametrize("mask", [ring(), touching_corners(), noise(), np.ones((3, 5), bool)])
def test_every_pixel_comes_back(mask):
    polygons = outlines(mask.astype(np.uint8))
    back = coco.decode(coco.merge(coco.frPyObjects(polygons, *mask.shape)))
    assert np.array_equal(back, mask)
    assert sum(area(polygon) for polygon in polygons) == pytest.approx(mask.sum())  # none overlap


def test_few_points_and_pieces():
    assert [sorted(polygon) for polygon in outlines(np.ones((3, 5)))] == [[0, 0, 0, 0, 3, 3, 5, 5]]
    assert len(outlines(ring())) == 2  # cut through its hole
    assert outlines(np.zeros((4, 4))) == []
