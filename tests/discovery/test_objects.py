"""Objects found in the layouts of COCO, Roboflow, YOLO and Pascal VOC."""

import json
import shutil
from pathlib import Path

import pytest

from mirl_mm.discovery import NothingFoundError, Request, find_objects
from mirl_mm.shapes import CLASSES
from tests.layouts import write_flat_coco, write_pairs, write_roboflow, write_voc, write_yolo


def look(folder: Path, out_dir: Path, **more):
    """What is found; the folder stays as it is."""
    before = sorted(str(path) for path in folder.rglob("*"))
    found = find_objects(Request(str(folder), out_dir, **more))
    assert sorted(str(path) for path in folder.rglob("*")) == before
    return found


def content(found, split: str) -> dict:
    settings = found.splits[split].settings
    file = json.loads((Path(settings["data_root"]) / settings["ann_file"]).read_text())
    for image in file["images"]:
        assert (Path(settings["data_root"]) / settings["data_prefix"]["img"] / image["file_name"]).is_file()
    return file


def test_coco_with_its_own_names(shapes, tmp_path):
    found = look(shapes / "coco", tmp_path)
    assert (found.what, found.classes, found.masks) == ("COCO annotations", CLASSES, True)
    assert {name: split.number for name, split in found.splits.items()} == {"train": 16, "val": 8}
    assert found.splits["val"].settings["data_prefix"] == {"img": "val2017"}
    assert not list(tmp_path.iterdir())


def test_roboflow_s_export_has_a_category_over_all_others(shapes, tmp_path):
    found = look(write_roboflow(shapes, tmp_path / "data"), tmp_path / "out")
    assert found.classes == CLASSES
    assert found.splits["val"].settings["ann_file"] == "valid/_annotations.coco.json"
    assert len(content(found, "val")["images"]) == 8


def test_a_share_is_held_out_where_there_is_one_file(shapes, tmp_path):
    folder = write_flat_coco(shapes, tmp_path / "data")
    found = look(folder, tmp_path / "out", share=0.25)
    train, val = content(found, "train"), content(found, "val")
    assert (len(train["images"]), len(val["images"])) == (12, 4)
    whole = json.loads((folder / "labels.json").read_text())
    assert len(train["annotations"]) + len(val["annotations"]) == len(whole["annotations"])
    assert "4 of the 16 images are held out for it, drawn by seed 0" in found.notes[-1]
    again = look(folder, tmp_path / "again", share=0.25)
    assert content(again, "val") == val
    assert content(look(folder, tmp_path / "other", share=0.25, seed=1), "val") != val
    assert look(folder, tmp_path / "none", share=0.0).splits.keys() == {"train"}


@pytest.mark.parametrize("write", [write_yolo, write_voc])
def test_boxes_are_those_of_coco_s_file(shapes, tmp_path, write):
    found = look(write(shapes, tmp_path / "data"), tmp_path / "out")
    assert found.classes == CLASSES
    assert not found.masks
    for split, name in (("train", "train2017"), ("val", "val2017")):
        whole = json.loads((shapes / f"coco/annotations/instances_{name}.json").read_text())
        boxes = [each["bbox"] for each in content(found, split)["annotations"]]
        assert boxes == [pytest.approx(each["bbox"], abs=0.02) for each in whole["annotations"]]


def test_xml_beside_the_images_in_folders_of_splits(shapes, tmp_path):
    for split in ("train", "valid"):
        write_voc(shapes, tmp_path / "data" / split, lists=False)
    found = look(tmp_path / "data", tmp_path / "out")
    assert found.splits["val"].settings["data_prefix"] == {"img": "valid"}
    assert len(content(found, "val")["images"]) == 24


def test_xml_in_one_folder_is_split(shapes, tmp_path):
    found = look(write_voc(shapes, tmp_path / "data", lists=False), tmp_path / "out")
    assert (len(content(found, "train")["images"]), len(content(found, "val")["images"])) == (22, 2)


def test_voc_of_edges_from_0_is_seen(shapes, tmp_path):
    folder = write_voc(shapes, tmp_path / "data")
    path = next((folder / "Annotations").glob("train_*"))
    path.write_text(path.read_text().split("<object>")[0].replace("</annotation>", "")
                    + "<object><name>ring</name><bndbox><xmin>0</xmin><ymin>0</ymin><xmax>9</xmax><ymax>8</ymax>"
                    "</bndbox></object></annotation>")  # fmt: skip
    found = look(folder, tmp_path / "out")
    assert any("edges are counted from 0" in note for note in found.notes)
    assert [0, 0, 9, 8] in [each["bbox"] for each in content(found, "train")["annotations"]]


def test_an_archive_s_folder_within_the_folder(shapes, tmp_path):
    write_voc(shapes, tmp_path / "data" / "VOC2012")
    assert look(tmp_path / "data", tmp_path / "out").splits["train"].number == 16


def test_a_folder_of_none_of_these(shapes, tmp_path):
    with pytest.raises(NothingFoundError) as caught:
        find_objects(Request(str(shapes / "folder"), tmp_path))
    message = str(caught.value)
    assert message.startswith(f"'{shapes / 'folder'}' has no annotated objects in a layout that is known. Looked for:")
    for name in ("COCO: ", "YOLO: ", "Pascal VOC: ", "It holds train/, val/."):
        assert name in message


@pytest.mark.parametrize("names", [True, False])
def test_masks_are_no_boxes(shapes, tmp_path, names):
    folder = write_pairs(shapes, tmp_path / "data")
    if names:  # which YOLO's folders have, too
        (folder / "classes.txt").write_text("a\nb\n")
    with pytest.raises(NothingFoundError, match="It has images and masks: a segmentor learns from these"):
        find_objects(Request(str(folder), tmp_path / "out"))


def test_annotations_without_their_images(shapes, tmp_path):
    folder = write_flat_coco(shapes, tmp_path / "data")
    shutil.rmtree(folder / "pictures")
    with pytest.raises(NothingFoundError, match=r"labels.json' is in COCO's format, but its images, such as '00000000"):
        find_objects(Request(str(folder), tmp_path / "out"))
