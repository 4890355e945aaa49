"""A segmentor's confusion matrix, and its errors near borders and within regions. NumPy and OpenCV."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mirl_mm.datasets.class_counts import find_masks
from mirl_mm.datasets.seg_maps import IGNORED, SegMapRules, check_size, read_seg_map
from mirl_mm.parallel import in_parallel


class Zone(NamedTuple):
    """Labelled pixels of a part of the images, and how many of them are right."""

    pixels: int
    right: int

    def __add__(self, other: "Zone") -> "Zone":  # type: ignore[override]
        return Zone(self.pixels + other.pixels, self.right + other.right)


class SegErrors(NamedTuple):
    """Counts of pixels, of an image or many.

    Attributes:
        matrix: ``(C, C)`` int64, true class by predicted class.
        border: Pixels near another class.
        interior: The others.
    """

    matrix: NDArray[np.int64]
    border: Zone
    interior: Zone

    def __add__(self, other: "SegErrors") -> "SegErrors":  # type: ignore[override]
        return SegErrors(self.matrix + other.matrix, self.border + other.border, self.interior + other.interior)


def count_seg_errors(truth: NDArray, predicted: NDArray, num_classes: int, width: int = 3) -> SegErrors:
    """Compare an image's labels with a prediction.

    Args:
        truth: ``(H, W)``, class indices; 255 where there is none, which counts nowhere.
        predicted: ``(H, W)``, class indices; a labelled pixel without a prediction is wrong nowhere in the matrix, but
            in its zone.
        num_classes: C.
        width: Pixels whose distance from another class is at most this are border.

    Raises:
        ValueError: If the sizes differ.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"labels of {truth.shape} (H, W) and a prediction of {predicted.shape}: they must be the same")
    known = truth != IGNORED
    near, right = near_border(truth, width), (truth == predicted) & known
    border = Zone(int(near.sum()), int((right & near).sum()))
    return SegErrors(
        confusion(truth, predicted, num_classes),
        border,
        Zone(int(known.sum()) - border.pixels, int(right.sum()) - border.right),
    )


def confusion(truth: NDArray, predicted: NDArray, num_classes: int) -> NDArray[np.int64]:
    """``(C, C)`` pixels by true and predicted class, of those that have both."""
    both = (truth != IGNORED) & (predicted != IGNORED)
    flat = truth[both].astype(np.int64) * num_classes + predicted[both]
    return np.bincount(flat, minlength=num_classes**2).reshape(num_classes, num_classes)


def near_border(labels: NDArray, width: int) -> NDArray[np.bool_]:
    """``(H, W)``: labelled pixels with another class at most ``width`` pixels away (Euclidean)."""
    known = labels != IGNORED
    steps = np.arange(-width, width + 1)
    disk = (steps[:, None] ** 2 + steps**2 <= width**2).astype(np.uint8)
    highest = cv2.dilate(np.where(known, labels, 0).astype(np.uint8), disk)
    lowest = cv2.erode(labels.astype(np.uint8), disk)  # IGNORED is the highest value
    return known & (highest != lowest)


def class_iou(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(C,)`` intersection over union; NaN for a class that neither labels nor predictions have."""
    hits = matrix.diagonal()
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - hits
    return np.divide(hits, union, out=np.full(len(matrix), np.nan), where=union > 0)


def class_accuracy(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(C,)`` share of each class's pixels that are right; NaN for a class that the labels don't have."""
    total = matrix.sum(axis=1)
    return np.divide(matrix.diagonal(), total, out=np.full(len(matrix), np.nan), where=total > 0)


def pair_masks(truth: str | Path, predicted: str | Path) -> list[tuple[str, str]]:
    """True masks, of which there may be more, and predictions of the same names, in two folders and all below them.

    Raises:
        FileNotFoundError: If a folder is missing, or the true mask of a prediction.
        ValueError: If there are no predictions, or two of them have the same name.
    """
    known = {Path(path).name: path for path in find_masks([truth])}
    pairs: dict[str, tuple[str, str]] = {}
    for path in find_masks([predicted]):
        name = Path(path).name
        if name not in known:
            raise FileNotFoundError(f"the prediction '{path}' has no true mask '{os.path.join(truth, name)}'")
        if name in pairs:
            raise ValueError(f"two predictions have the same name: '{pairs[name][1]}' and '{path}'")
        pairs[name] = (known[name], path)
    return list(pairs.values())


def count_files(
    pairs: Sequence[tuple[str, str]], rules: SegMapRules, width: int = 3, workers: int | None = None
) -> SegErrors:
    """Compare files of masks, in several processes; see :func:`count_seg_errors`. Default: one for each CPU.

    Raises:
        ValueError: For a value that is no class, naming file and value, or sizes that differ.
        CorruptImageError: For a file that can't be read.
    """
    empty = np.zeros((rules.num_classes, rules.num_classes), dtype=np.int64)
    total = SegErrors(empty, Zone(0, 0), Zone(0, 0))
    for each in in_parallel(partial(_compare, rules=rules, width=width), pairs, "comparing", workers):
        total += each
    return total


def _compare(pair: tuple[str, str], rules: SegMapRules, width: int) -> SegErrors:
    truth, predicted = (rules.labels(read_seg_map(path), path) for path in pair)
    check_size(predicted.shape, truth.shape, pair[1], pair[0])
    return count_seg_errors(truth, predicted, rules.num_classes, width)
