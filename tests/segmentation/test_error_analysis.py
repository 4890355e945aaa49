"""Counts of a segmentation's errors, against plain loops."""

import numpy as np
import pytest
from PIL import Image

from mirl_mm.datasets.seg_maps import SegMapRules
from mirl_mm.segmentation.error_analysis import (
    class_accuracy,
    class_iou,
    confusion,
    count_files,
    count_seg_errors,
    near_border,
    pair_masks,
)
from tests.training import run_here


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


def write_masks(folder):
    """Two images of two classes, values 1 and 2; the prediction is wrong in one column of the first."""
    values = np.ones((8, 12), dtype=np.uint8)
    values[:, 6:] = 2
    wrong = values.copy()
    wrong[:, 6] = 1
    for place, first in (("truth", values), ("found", wrong)):
        (folder / place).mkdir()
        Image.fromarray(first).save(folder / place / "a.png")
        Image.fromarray(values).save(folder / place / "b.png")
    (folder / "classes.txt").write_text("left\nright\n")


@pytest.mark.parametrize("workers", [0, 2])
def test_files_are_added_up(tmp_path, workers):
    write_masks(tmp_path)
    rules = SegMapRules(2, reduce_zero_label=True)
    errors = count_files(pair_masks(tmp_path / "truth", tmp_path / "found"), rules, 2, workers)
    assert errors.matrix.tolist() == [[96, 0], [8, 88]]
    assert errors.border == (64, 56) and errors.interior == (128, 128)


def test_files_that_do_not_fit(tmp_path):
    write_masks(tmp_path)
    (tmp_path / "truth/b.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"found/b\.png' has no true mask '.*truth/b\.png'"):
        pair_masks(tmp_path / "truth", tmp_path / "found")
    Image.fromarray(np.ones((8, 13), np.uint8)).save(tmp_path / "truth/b.png")
    with pytest.raises(ValueError, match="8 x 12 pixels"):
        count_files(pair_masks(tmp_path / "truth", tmp_path / "found"), SegMapRules(2, True))


def test_the_tool(tmp_path, monkeypatch, capsys):
    write_masks(tmp_path)
    options = ("--classes", tmp_path / "classes.txt", "--reduce-zero-label", "--out-dir", tmp_path / "out")
    run_here(monkeypatch, "tools/analysis_tools/seg_errors.py", tmp_path / "truth", tmp_path / "found", *options)
    shown = capsys.readouterr().out
    assert f"mIoU {(96 / 104 + 88 / 96) * 50:.2f} %" in shown and "100.0%" in shown
    assert (tmp_path / "out/confusion.csv").read_text().splitlines()[2] == "right,8,88"
    for name in ("iou.png", "confusion.png"):
        assert Image.open(tmp_path / "out" / name).width > 300
