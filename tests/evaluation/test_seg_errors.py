"""Counts of a segmentation's errors, against plain loops."""

import numpy as np
import pytest

from mirl_mm.evaluation.seg_errors import class_accuracy, class_iou, confusion, count_seg_errors, near_border


def masks(seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, (9, 11)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.2] = 255
    return truth, rng.integers(0, 4, truth.shape).astype(np.uint8)


def test_the_matrix_iou_and_accuracy_are_those_of_loops():
    truth, predicted = masks()
    matrix = confusion(truth, predicted, 5)
    iou, accuracy = class_iou(matrix), class_accuracy(matrix)
    known = truth != 255
    for label in range(4):
        a, b = (truth == label) & known, (predicted == label) & known
        assert iou[label] == pytest.approx((a & b).sum() / (a | b).sum())
        assert accuracy[label] == pytest.approx((a & b).sum() / a.sum())
        for other in range(4):
            assert matrix[label, other] == (a & (predicted == other)).sum()
    assert np.isnan(iou[4]) and np.isnan(accuracy[4]) and matrix.sum() == known.sum()


@pytest.mark.parametrize("width", [1, 2, 3])
def test_borders_are_pixels_near_another_class(width):
    rng = np.random.default_rng(3)
    labels = np.kron(rng.integers(0, 3, (4, 5)), np.ones((7, 6))).astype(np.uint8)
    found = near_border(labels, width)
    ys, xs = np.indices(labels.shape)
    for y, x in np.ndindex(labels.shape):
        nearest = ((ys - y) ** 2 + (xs - x) ** 2)[labels != labels[y, x]].min()
        assert found[y, x] == (nearest <= width**2)


def test_unlabelled_pixels_make_no_border():
    labels = np.zeros((8, 8), dtype=np.uint8)
    labels[:, 4:] = 255
    assert not near_border(labels, 3).any()
    labels[:, 4:] = 1
    assert near_border(labels, 1).sum() == 16


def test_zones_add_up():
    truth = np.zeros((20, 20), dtype=np.uint8)
    truth[:, 10:] = 1
    truth[:2] = 255
    predicted = np.roll(truth, 1, axis=1)
    predicted[predicted == 255] = 0
    predicted[10, 2] = 1
    errors = count_seg_errors(truth, predicted, 2, width=2)
    assert errors.border == (18 * 4, 18 * 3) and errors.interior == (18 * 16, 18 * 15 - 1)
    twice = errors + errors
    assert twice.border.pixels == 144 and np.array_equal(twice.matrix, 2 * errors.matrix)
    with pytest.raises(ValueError, match="they must be the same"):
        count_seg_errors(truth, predicted[:5], 2)
