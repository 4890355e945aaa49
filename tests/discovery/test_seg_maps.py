"""Pairs of image and mask, and what the values mean."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirl_mm.discovery import FINDERS, NothingFoundError, Request
from mirl_mm.shapes import CLASSES
from tests.layouts import write_pairs


def look(folder: Path, out_dir: Path, **more):
    return FINDERS["masks"](Request(str(folder), out_dir, **more))


def places(split) -> tuple[Path, Path]:
    prefix = split.settings["data_prefix"]
    root = Path(split.settings["data_root"])
    return root / prefix["img_path"], root / prefix["seg_map_path"]


def test_ade20k_s_folders_and_names_in_a_file(shapes, tmp_path):
    found = look(shapes / "ade", tmp_path)
    assert found.classes == ("background", *CLASSES)
    assert found.splits["train"].settings["reduce_zero_label"]
    assert {name: split.number for name, split in found.splits.items()} == {"train": 16, "val": 8}


def test_without_names_classes_are_numbered_and_a_share_is_held_out(shapes, tmp_path):
    found = look(write_pairs(shapes, tmp_path / "data"), tmp_path / "out")
    assert found.classes == tuple(f"class {i}" for i in range(9))
    assert not found.splits["train"].settings["reduce_zero_label"]
    names = [Path(found.splits[name].settings["ann_file"]).read_text().split() for name in ("train", "val")]
    assert [len(each) for each in names] == [14, 2]
    assert not set(names[0]) & set(names[1])


def test_names_that_are_given_say_where_the_values_begin(shapes, tmp_path):
    folder = write_pairs(shapes, tmp_path / "data")
    assert look(folder, tmp_path / "out", names=("nothing", *CLASSES)).classes == ("nothing", *CLASSES)
    found = look(folder, tmp_path / "out", names=tuple(CLASSES))
    assert found.splits["train"].settings["reduce_zero_label"]
    with pytest.raises(NothingFoundError, match="values up to 8, and those given are 3 names"):
        look(folder, tmp_path / "out", names=("a", "b", "c"))


def test_masks_of_0_and_255_are_written_anew(shapes, tmp_path):
    folder = write_pairs(shapes, tmp_path / "data", binary=True)
    found = look(folder, tmp_path / "out")
    assert found.classes == ("background", "foreground")
    _, masks = places(found.splits["train"])
    assert masks.is_relative_to(tmp_path / "out")
    for path in (folder / "masks").iterdir():
        assert np.array_equal(np.asarray(Image.open(masks / path.name)) * 255, np.asarray(Image.open(path)))


@pytest.mark.parametrize("layout", ["inside", "beside", "together"])
def test_other_layouts(shapes, tmp_path, layout):
    pairs, root = write_pairs(shapes, tmp_path / "pairs"), tmp_path / "data"
    for split in ("train", "valid"):
        images = root / split / "images" if layout == "inside" else root / split
        masks = {"inside": root / split / "labels", "beside": root / f"{split}annot", "together": root / split}[layout]
        shutil.copytree(pairs / "images", images)
        masks.mkdir(exist_ok=True)
        for path in (pairs / "masks").iterdir():
            shutil.copy(path, masks / (f"{path.stem}_mask.png" if layout == "together" else path.name))
    if layout == "together":
        rows = "".join(f"{i}, {name}\n" for i, name in enumerate(("none", *CLASSES)))
        (root / "train/_classes.csv").write_text(f"Pixel Value, Class\n{rows}")
    found = look(root, tmp_path / "out")
    assert {name: split.number for name, split in found.splits.items()} == {"train": 16, "val": 16}
    assert found.classes[1] == ("circle" if layout == "together" else "class 1")


def test_pictures_alone(shapes, tmp_path):
    with pytest.raises(NothingFoundError, match=r"no pairs of image and mask[\s\S]*images/ and masks/"):
        look(shapes / "coco", tmp_path)


def test_images_without_mask_are_left_out_and_counted(shapes, tmp_path):
    folder = write_pairs(shapes, tmp_path / "data")
    next((folder / "masks").iterdir()).unlink()
    assert "train: 1 image without mask left out" in look(folder, tmp_path / "out").notes
