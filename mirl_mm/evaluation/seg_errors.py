"""Where a segmentation is wrong: which classes are taken for which, at borders or within regions. NumPy and OpenCV."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

#: Label of pixels that count nowhere.
IGNORED = 255


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
        truth: ``(H, W)``, numbers of classes; 255 where there is none, which counts nowhere.
        predicted: Likewise; a labelled pixel without a prediction is wrong nowhere in the matrix, but in its zone.
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
