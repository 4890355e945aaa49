"""Labelled images for probing: subsets of a data set, and a training and a validation set with the same classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from mirl_mm.datasets import ImageFolder
from mirl_mm.datasets.checks import check_root
from mirl_mm.datasets.randomness import seeded_index
from mirl_mm.datasets.transforms.pipeline import Step
from mirl_mm.registry import DATASETS, SCOPE
from mirl_mm.text import shortlist


class LabelledImages(Dataset):
    """Images of a labelled data set, always the same and in the same order.

    Args:
        dataset: An :class:`~mirl_mm.datasets.ImageFolder` with labels.
        indices: Of the images wanted.

    Attributes:
        labels: (N,) int64.
        paths: Of the N files.
    """

    def __init__(self, dataset: ImageFolder, indices: Sequence[int]) -> None:
        assert dataset.labels is not None
        self.dataset = dataset
        self.indices = list(indices)
        self.labels: np.ndarray = dataset.labels[self.indices]

    @property
    def paths(self) -> list[str]:
        """The files, in order."""
        return [self.dataset.get_data_info(index)["img_path"] for index in self.indices]

    def shard(self, rank: int, world_size: int) -> "LabelledImages":
        """The images of one process: every ``world_size``-th from index ``rank`` on."""
        return LabelledImages(self.dataset, self.indices[rank::world_size])

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> dict:
        """A sample; should its pipeline draw random numbers, they depend on the image's index in the folder alone."""
        return self.dataset[seeded_index(0, 0, self.indices[index])]


def labelled_images(cfg: Mapping[str, Any], limit: int = 0) -> LabelledImages:
    """Build a data set and take some of its images.

    Args:
        cfg: Of an :class:`~mirl_mm.datasets.ImageFolder`; ``labelled`` is True by default.
        limit: At most so many images, evenly spread over the folder and so over its classes; 0: all.

    Raises:
        FileNotFoundError: A folder is missing.
        ValueError: Images without labels, a folder that is not laid out in classes, or a negative limit.
    """
    if limit < 0:
        raise ValueError(f"the number of images must be positive, or 0 for all; got {limit}")
    dataset = DATASETS.build({"_scope_": SCOPE, "type": "ImageFolder", "labelled": True, **cfg})
    if getattr(dataset, "labels", None) is None:
        raise ValueError(
            f"features are judged by labels, and the images of {cfg.get('data_root')!r} have none: set labelled=True "
            "in the data set's config, and lay the images out in class folders"
        )
    count = len(dataset)
    if not limit or limit >= count:
        return LabelledImages(dataset, range(count))
    return LabelledImages(dataset, np.linspace(0, count - 1, limit).round().astype(int).tolist())


def labelled_pair(
    train: Mapping[str, Any], val: Mapping[str, Any], pipeline: Sequence[dict | Step], limits: tuple[int, int] = (0, 0)
) -> tuple[LabelledImages, LabelledImages]:
    """The images that features are learnt from, and those that they are tried on.

    Args:
        train: Config of the former; see :func:`labelled_images`.
        val: Config of the latter.
        pipeline: Where a config has none.
        limits: At most so many of each; 0: all.

    Raises:
        FileNotFoundError: A folder is missing.
        ValueError: No labels, or other classes in one than in the other.
    """
    ours, theirs = (
        labelled_images({"pipeline": pipeline, **cfg}, limit) for cfg, limit in zip((train, val), limits, strict=True)
    )
    if ours.dataset.classes == theirs.dataset.classes:  # else labels would mean something else in each
        return ours, theirs
    here, there = set(ours.dataset.classes or ()), set(theirs.dataset.classes or ())
    if here == there:
        raise ValueError(f"'{ours.dataset.root}' and '{theirs.dataset.root}' have the same classes in another order")
    parts = [
        f"only '{images.dataset.root}' has {shortlist([repr(name) for name in sorted(names)])}"
        for images, names in ((ours, here - there), (theirs, there - here))
        if names
    ]
    raise ValueError(
        f"the classes of training and validation images differ: {'; '.join(parts)}. Give both folders the same class "
        "folders, or name the classes wanted by classes in both data sets' configs"
    )


def labelled_splits(
    data_root: str, pipeline: Sequence[dict | Step], limits: tuple[int, int] = (0, 0)
) -> tuple[LabelledImages, LabelledImages]:
    """As :func:`labelled_pair`, of ``train`` and ``val`` in ``data_root``, each with a sub-folder per class."""
    splits = ("train", "val")
    for split in splits:
        check_root(data_root, split, "The folder needs train and val, each with a sub-folder per class")
    train, val = ({"data_root": data_root, "split": split} for split in splits)
    return labelled_pair(train, val, pipeline, limits)


def count_classes(train: LabelledImages, val: LabelledImages) -> int:
    """How many classes there are; those without an image among the chosen count, too."""
    return max(len(train.dataset.classes or ()), int(max(train.labels.max(), val.labels.max())) + 1)
