"""How often classes occur in segmentation maps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from mirl_mm.parallel import in_parallel

from .directory_scan import find_files
from .seg_maps import LabelCounts, SegMapRules, count_labels, read_seg_map


@dataclass
class ClassCounts:
    """Pixels and masks of each class, added up mask by mask.

    Attributes:
        classes: Names, in the order of labels.
        pixels: ``(C,)`` int64.
        masks: ``(C,)`` int64, masks that have the class.
        pixels_there: ``(C,)`` int64, labelled pixels of these masks.
        unlabelled: Pixels without label.
        number: Of masks.
        empty: Of masks without any label.
    """

    classes: Sequence[str]
    pixels: np.ndarray = field(init=False)
    masks: np.ndarray = field(init=False)
    pixels_there: np.ndarray = field(init=False)
    unlabelled: int = 0
    number: int = 0
    empty: int = 0

    def __post_init__(self) -> None:
        self.pixels, self.masks, self.pixels_there = (np.zeros(len(self.classes), dtype=np.int64) for _ in range(3))

    def add(self, counts: LabelCounts) -> None:
        """Add a mask's."""
        there, labelled = counts.pixels > 0, int(counts.pixels.sum())
        self.pixels += counts.pixels
        self.masks += there
        self.pixels_there += there * labelled
        self.unlabelled += counts.ignored
        self.number += 1
        self.empty += labelled == 0

    @property
    def total(self) -> int:
        """All pixels."""
        return int(self.pixels.sum()) + self.unlabelled

    def shares(self) -> np.ndarray:
        """``(C,)``, of the labelled pixels."""
        return self.pixels / max(int(self.pixels.sum()), 1)

    def weights(self) -> np.ndarray:
        """Weights of the classes in a loss by median frequency balancing (Eigen and Fergus, ICCV 2015, section 6.2).

        A class's frequency is its share of the labelled pixels of the masks that have it; its weight is the median of
        all frequencies over its own.

        Returns:
            ``(C,)`` float64; 0 for a class that does not occur.
        """
        there = self.pixels > 0
        if not there.any():
            return np.zeros(len(self.pixels))
        frequency = self.pixels[there] / self.pixels_there[there]
        weights = np.zeros(len(self.pixels))
        weights[there] = np.median(frequency) / frequency
        return weights


def find_masks(folders: Sequence[str | Path], suffix: str = ".png") -> list[str]:
    """The masks of folders and their sub-folders, sorted.

    Raises:
        FileNotFoundError: If a folder is missing.
        ValueError: If there is no file of that ending.
    """
    paths: list[str] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise FileNotFoundError(f"no folder '{folder}'")
        paths += [str(path) for path in find_files(folder, [suffix.lower()])]
    if not paths:
        raise ValueError(f"no file that ends in '{suffix}' in {', '.join(f'{str(folder)!r}' for folder in folders)}")
    return paths


def count_classes(
    paths: Sequence[str], classes: Sequence[str], rules: SegMapRules, workers: int | None = None
) -> ClassCounts:
    """Count the classes of masks, in several processes; default: one for each CPU.

    Raises:
        ValueError: For a value that is no class, naming file and value, or a picture that is no mask.
        CorruptImageError: For a file that can't be read.
    """
    counts = ClassCounts(classes)
    for each in in_parallel(partial(_count, rules=rules), paths, "counting", workers):
        counts.add(each)
    return counts


def _count(path: str, rules: SegMapRules) -> LabelCounts:
    return count_labels(rules.labels(read_seg_map(path), path), rules.num_classes)
