"""A share of a training set's labels, drawn so that smaller shares lie in larger ones."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from mirl_mm.datasets.coco_reader import read_annotations
from mirl_mm.engine.derive_from_datasets import inner_datasets
from mirl_mm.file_backend import write_file
from mirl_mm.registry import SCOPE


def take_share(cfg: Config, share: float, seed: int, folder: Path) -> tuple[int, int]:
    """Let a config train on a share of its images; a list of them is written to ``folder``.

    Of class folders each class gives its share, at least one image. Of images with objects those that show a class for
    the first time come first, then the others; images with masks are drawn as they come. The same seed draws in the
    same order: 1 % is a part of 10 %.

    Args:
        cfg: With its data; changed in place, unless the share is 1.
        share: In (0, 1].
        seed: Of the draw.
        folder: For the list.

    Returns:
        How many images are taken, and how many there are.

    Raises:
        ValueError: If the share is out of range, or the data set is of another type than ours.
    """
    if not 0 < share <= 1:
        raise ValueError(f"a share of the labels is in (0, 1], got {share}")
    datasets = list(inner_datasets(cfg.train_dataloader.dataset))
    take = _TAKE.get(str(datasets[0].get("type")).rpartition(".")[2])
    if len(datasets) != 1 or take is None:
        raise ValueError(f"shares can be taken of one {', '.join(_TAKE)}, not of {cfg.train_dataloader.dataset.type}")
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", SCOPE)):
        return take(datasets[0], share, np.random.default_rng(seed), folder)


def _number(share: float, images: int) -> int:
    return max(round(share * images), 1)


def _of_classes(dataset: Any, share: float, rng: np.random.Generator, folder: Path) -> tuple[int, int]:
    found = DATASETS.build({**dataset, "pipeline": []})
    if found.labels is None:
        raise ValueError("shares of labels can't be taken of images without: labelled=False")
    kept: list[int] = []
    for label in np.unique(found.labels):
        order = rng.permutation(np.flatnonzero(found.labels == label))
        kept += order[: _number(share, len(order))].tolist()
    if len(kept) < len(found):
        lines = "".join(f"{found.files[index]} {found.labels[index]}\n" for index in sorted(kept))
        dataset.list_file = _write(folder / "images.txt", lines)
    dataset.classes = found.classes
    return len(kept), len(found)


def _of_objects(dataset: Any, share: float, rng: np.random.Generator, folder: Path) -> tuple[int, int]:
    content = read_annotations(os.path.join(dataset.get("data_root", ""), dataset.ann_file))
    images, shows = content["images"], dict[int, set[int]]()
    for each in content.get("annotations") or []:
        shows.setdefault(each["image_id"], set()).add(each["category_id"])
    order = [images[index]["id"] for index in rng.permutation(len(images))]
    first, seen = [], set[int]()
    for image in order:
        if new := shows.get(image, set()) - seen:
            first.append(image)
            seen |= new
    number = _number(share, len(images))
    kept = set(list(dict.fromkeys((*first, *order)))[:number])
    if number < len(images):
        content["images"] = [image for image in images if image["id"] in kept]
        content["annotations"] = [each for each in content.get("annotations") or [] if each["image_id"] in kept]
        dataset.ann_file = _write(folder / "annotations.json", json.dumps(content))
    return number, len(images)


def _of_masks(dataset: Any, share: float, rng: np.random.Generator, folder: Path) -> tuple[int, int]:
    found = DATASETS.build({**dataset, "pipeline": []})
    prefix, suffix = found.data_prefix["img_path"], found.img_suffix
    names = [os.path.relpath(found.get_data_info(index)["img_path"], prefix) for index in range(len(found))]
    number = _number(share, len(names))
    kept = sorted(rng.permutation(len(names))[:number].tolist())
    if number < len(names):
        lines = "".join(f"{names[index].removesuffix(suffix)}\n" for index in kept)
        dataset.ann_file = _write(folder / "images.txt", lines)
    return number, len(names)


_TAKE = {"ImageFolder": _of_classes, "CocoDataset": _of_objects, "ADE20KDataset": _of_masks}


def _write(path: Path, text: str) -> str:
    write_file(path, text)
    return str(path)
