"""Shares of labels: balanced, nested, the same for the same seed."""

import json
from collections import Counter
from pathlib import Path

import pytest
from mmengine.config import Config

import mirl_mm.datasets  # noqa: F401  registers ImageFolder
from mirl_mm.registry import DATASETS
from mirl_mm.studies.subsets import take_share
from tests.training import write_class_folders


def config(folder, kind="ImageFolder", **options):
    dataset = {"type": kind, "data_root": str(folder), **options}
    return Config({"default_scope": "mirl_mm", "train_dataloader": {"dataset": dataset}})


def labelled(folder):
    return config(folder, split="train", labelled=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    return write_class_folders(folder, train=60, val=3, classes=["a", "b", "c"])


def taken(cfg):
    found = DATASETS.build(cfg.train_dataloader.dataset)
    return {found.files[index]: int(found.labels[index]) for index in range(len(found))}


def test_classes_give_their_share(folder, tmp_path):
    whole, parts = taken(labelled(folder)), {}
    for share in (0.01, 0.1, 0.5):
        cfg = labelled(folder)
        number, total = take_share(cfg, share, 0, tmp_path / str(share))
        parts[share] = taken(cfg)
        each = max(round(20 * share), 1)
        assert (number, total) == (3 * each, 60)
        assert Counter(parts[share].values()) == dict.fromkeys(range(3), each)
        assert cfg.train_dataloader.dataset.classes == ("a", "b", "c")
    assert parts[0.01].items() < parts[0.1].items() < parts[0.5].items() < whole.items()
    again, other = labelled(folder), labelled(folder)
    take_share(again, 0.1, 0, tmp_path / "again")
    take_share(other, 0.1, 1, tmp_path / "other")
    assert taken(again) == parts[0.1] != taken(other)
    all_of_them = labelled(folder)
    assert take_share(all_of_them, 1.0, 0, tmp_path / "all") == (60, 60)
    assert "list_file" not in all_of_them.train_dataloader.dataset and not (tmp_path / "all").exists()


def test_few_images_of_objects_show_each_class(tmp_path):
    """Class 9 is in one of 100 images."""
    shown = [[1, 2] if i % 2 else [1] for i in range(99)] + [[9]]
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg"} for i in range(100)],
        "categories": [{"id": i, "name": str(i)} for i in (1, 2, 9)],
        "annotations": [{"image_id": i, "category_id": c} for i, classes in enumerate(shown) for c in classes],
    }
    (tmp_path / "all.json").write_text(json.dumps(content))
    images = {}
    for share in (0.03, 0.3):
        cfg = config(tmp_path, "CocoDataset", ann_file="all.json")
        assert take_share(cfg, share, 3, tmp_path / str(share)) == (100 * share, 100)
        small = json.loads(Path(cfg.train_dataloader.dataset.ann_file).read_text())
        images[share] = {image["id"] for image in small["images"]}
        assert len(images[share]) == 100 * share and 99 in images[share]
        assert {each["category_id"] for each in small["annotations"]} == {1, 2, 9}
        assert {each["image_id"] for each in small["annotations"]} == images[share]
        assert small["categories"] == content["categories"]
    assert images[0.03] < images[0.3]


def test_what_cannot_be(folder, tmp_path):
    with pytest.raises(ValueError, match=r"in \(0, 1\], got 1.5"):
        take_share(labelled(folder), 1.5, 0, tmp_path)
    with pytest.raises(ValueError, match="one ImageFolder, CocoDataset, ADE20KDataset, not of Other"):
        take_share(config(folder, "Other"), 0.5, 0, tmp_path)
    with pytest.raises(ValueError, match="without"):
        take_share(config(folder, split="train"), 0.5, 0, tmp_path)
