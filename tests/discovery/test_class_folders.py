"""Images and class folders."""

import shutil
from pathlib import Path

import pytest

from mirl_mm.datasets import ImageFolder
from mirl_mm.discovery import FINDERS, NothingFoundError, Request
from mirl_mm.shapes import CLASSES
from tests.layouts import write_pairs, write_yolo


def opened(split) -> ImageFolder:
    return ImageFolder(labelled=True, **split.settings)


def test_all_images_of_a_folder(shapes, tmp_path):
    found = FINDERS["images"](Request(str(shapes / "coco/train2017"), tmp_path))
    assert {name: split.number for name, split in found.splits.items()} == {"train": 16}
    assert found.splits["train"].settings["split"] == ""


@pytest.mark.parametrize(("write", "train"), [(write_yolo, "images/train"), (write_pairs, "images")])
def test_labels_beside_images_are_no_images(shapes, tmp_path, write, train):
    found = FINDERS["images"](Request(str(write(shapes, tmp_path / "data")), tmp_path))
    assert (found.splits["train"].number, found.splits["train"].settings["split"]) == (16, train)


def test_no_images_at_all(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ValueError, match=r"holds no file that ends in .jpg"):
        FINDERS["images"](Request(str(tmp_path), tmp_path))


def test_splits_by_other_names(shapes, tmp_path):
    shutil.copytree(shapes / "folder", tmp_path / "data")
    (tmp_path / "data/val").rename(tmp_path / "data/validation")
    found = FINDERS["classes"](Request(str(tmp_path / "data"), tmp_path / "out"))
    assert found.classes == tuple(CLASSES)
    assert {name: len(opened(split)) for name, split in found.splits.items()} == {"train": 16, "val": 8}


@pytest.mark.parametrize("inner", ["", "flowers"])
def test_a_share_of_each_class_is_held_out(shapes, tmp_path, inner):
    shutil.copytree(shapes / "folder/train", tmp_path / "data" / inner, dirs_exist_ok=True)
    found = FINDERS["classes"](Request(str(tmp_path / "data"), tmp_path / "out"))
    train, val = opened(found.splits["train"]), opened(found.splits["val"])
    assert train.classes == val.classes == tuple(CLASSES)
    counts = {name: len(list((shapes / "folder/train" / name).iterdir())) for name in CLASSES}
    for label, name in enumerate(CLASSES):
        assert (val.labels == label).sum() == min(1, counts[name] - 1)
    everything = {*train.files, *val.files}
    assert len(everything) == len(train) + len(val) == 16
    for file, label in zip(val.files, val.labels, strict=True):
        assert Path(file).parts[0] == CLASSES[label]


@pytest.mark.parametrize("layout", ["flat", "one", "pairs"])
def test_no_class_folders(shapes, tmp_path, layout):
    if layout == "pairs":
        write_pairs(shapes, tmp_path / "data")
    else:
        shutil.copytree(shapes / "coco/train2017", tmp_path / "data" / ("" if layout == "flat" else "cat"))
    with pytest.raises(NothingFoundError, match=r"no images in class folders[\s\S]*a folder for each class"):
        FINDERS["classes"](Request(str(tmp_path / "data"), tmp_path / "out"))
