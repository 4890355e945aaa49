"""Segmentation maps: pictures of one channel in which the value of a pixel is the number of its class."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mirl_mm.text import counted, shortlist

from .decode import image_size, open_upright

#: Label of pixels without a class, in mmseg's transforms, heads and metrics; files may have another value for it.
IGNORED = 255
_VALUES = 2**16
_ONE_CHANNEL = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")


@dataclass(frozen=True)
class SegMapRules:
    """What the values of masks mean.

    Attributes:
        num_classes: Number of classes, at most 255.
        reduce_zero_label: Whether 0 means *no label* and the classes' values count from 1, as in ADE20K.
        ignore_index: Value of pixels without label. It goes before a class of the same value.

    Raises:
        ValueError: For no class, more than 255 of them, or an ``ignore_index`` outside 0..65535.
    """

    num_classes: int
    reduce_zero_label: bool = False
    ignore_index: int = IGNORED

    def __post_init__(self) -> None:
        if not 1 <= self.num_classes <= IGNORED:
            raise ValueError(f"masks can have 1 to {IGNORED} classes, got {self.num_classes}: see metainfo.classes")
        if not 0 <= self.ignore_index < _VALUES:
            raise ValueError(f"ignore_index is a mask's value, from 0 to {_VALUES - 1}, got {self.ignore_index}")

    def __str__(self) -> str:
        first = int(self.reduce_zero_label)
        ignored = sorted({self.ignore_index} | ({0} if self.reduce_zero_label else set()))
        return (
            f"the {self.num_classes} classes have the values {first} to {self.num_classes - 1 + first}, and "
            f"{' and '.join(map(str, ignored))} mean no label (reduce_zero_label={self.reduce_zero_label}, "
            f"ignore_index={self.ignore_index})"
        )

    def labels(self, values: np.ndarray, path: str) -> np.ndarray:
        """The label of each pixel.

        Args:
            values: ``(H, W)`` uint8 or uint16, of :func:`read_seg_map`.
            path: The file's, for messages.

        Returns:
            ``(H, W)`` uint8: 0 to ``num_classes - 1``, and 255 where there is none.

        Raises:
            ValueError: For a value that is no class; names the file and the value.
        """
        labels = _table(self)[values]
        if labels.min(initial=0) < 0:
            found, counts = np.unique(values[labels < 0], return_counts=True)
            bad = [
                f"{value} ({counted(count, 'pixel')})"
                for value, count in zip(found.tolist(), counts.tolist(), strict=True)
            ]
            raise ValueError(
                f"mask '{path}' has the value{'s' * (len(bad) > 1)} {shortlist(bad)}, outside of the classes: {self}. "
                "Correct metainfo.classes, reduce_zero_label or ignore_index in the data set's config, or the mask"
            )
        return labels.astype(np.uint8)


@lru_cache(maxsize=8)
def _table(rules: SegMapRules) -> np.ndarray:
    """``(65536,)`` int16, the label of each value; -1 for those that are no class."""
    table = np.full(_VALUES, -1, dtype=np.int16)
    first = int(rules.reduce_zero_label)
    table[first : first + rules.num_classes] = np.arange(rules.num_classes)
    table[:first] = IGNORED
    table[rules.ignore_index] = IGNORED
    return table


def read_seg_map(path: str) -> np.ndarray:
    """The values of a mask as they are in the file, upright; of a palette picture the numbers, not the colours.

    Returns:
        ``(H, W)`` uint8 or uint16.

    Raises:
        ValueError: For a picture of several channels, or values beyond 16 bits.
        CorruptImageError: If it can't be decoded.
    """
    image = open_upright(path, "mask")
    mode, values = image.mode, np.asarray(image)
    if mode not in _ONE_CHANNEL:
        raise ValueError(
            f"mask '{path}' is a picture of mode {mode}, and a mask has one value for each pixel, the number of its "
            "class: tools/dataset_converters/colours_to_masks.py makes masks of colour-coded labels"
        )
    if values.dtype == np.int32:
        if values.min() < 0 or values.max() >= _VALUES:
            raise ValueError(f"mask '{path}' has values from {values.min()} to {values.max()}, beyond 16 bits")
        values = values.astype(np.uint16)
    return values.astype(np.uint8) if values.dtype == bool else values


def check_size(size: Sequence[int], of_image: Sequence[int], path: str, image_path: str) -> None:
    """Raises a ValueError unless a mask is as large, (H, W), as its image."""
    if tuple(size) != tuple(of_image):
        raise ValueError(
            f"mask '{path}' has {size[0]} x {size[1]} pixels (rows x columns), its image '{image_path}' "
            f"{of_image[0]} x {of_image[1]}: they must be the same. (An image that is stored turned counts as its "
            "EXIF orientation turns it: as it is shown.)"
        )


class LabelCounts(NamedTuple):
    """What a mask holds.

    Attributes:
        pixels: ``(num_classes,)`` int64, of each class.
        ignored: Pixels without label.
    """

    pixels: np.ndarray
    ignored: int


def count_seg_map(image: str, mask: str, rules: SegMapRules) -> LabelCounts:
    """Read a mask, hold it against its image and the classes, and count.

    Raises:
        ValueError: If its size is not the image's, a value is no class, or it has several channels.
        CorruptImageError: If image or mask can't be read.
    """
    values = read_seg_map(mask)
    check_size(values.shape, image_size(image), mask, image)
    return count_labels(rules.labels(values, mask), rules.num_classes)


def count_labels(labels: np.ndarray, num_classes: int) -> LabelCounts:
    """Of ``(H, W)`` uint8 labels, 255 where there is none."""
    counts = np.bincount(labels.ravel(), minlength=IGNORED + 1)
    return LabelCounts(counts[:num_classes], int(counts[IGNORED]))
