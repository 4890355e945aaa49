"""Pascal VOC's XML files to COCO's format."""

import json

import pytest
from PIL import Image

from mirl_mm.converters import AnnotationError, voc_to_coco
from tests.training import run_here

SIZE = (40, 60)  # (H, W)


def xml(objects, name="a.jpg", size=SIZE):
    parts = "".join(
        f"<object><name>{label}</name><difficult>{difficult}</difficult><bndbox>"
        + "".join(
            f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        )
        + "</bndbox></object>"
        for label, box, difficult in objects
    )
    sides = f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>"
    return f"<annotation><filename>{name}</filename>{sides}{parts}</annotation>"


@pytest.fixture
def root(tmp_path):
    """Two images: a dog, a difficult cat; and one without objects."""
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (tmp_path / folder).mkdir(parents=True)
    contents = {
        "a": [("dog", (1, 1, 60, 40), 0), ("cat", (11, 6, 20, 15), 1)],
        "b": [],
    }
    for stem, objects in contents.items():
        Image.new("RGB", SIZE[::-1]).save(tmp_path / f"JPEGImages/{stem}.jpg")
        (tmp_path / f"Annotations/{stem}.xml").write_text(xml(objects, f"{stem}.jpg"))
    (tmp_path / "ImageSets/Main/train.txt").write_text("a  1\n")
    (tmp_path / "ImageSets/Main/val.txt").write_text("b -1\n")
    return tmp_path


def spoil(root, objects, **options):
    (root / "Annotations/a.xml").write_text(xml(objects, **options))


def test_pixels_counted_from_one_become_edges_counted_from_zero(root):
    done = voc_to_coco(root)["all"]
    content = json.loads((root / "annotations/all.json").read_text())
    assert [c["name"] for c in content["categories"]] == ["cat", "dog"]
    assert [(i["file_name"], i["height"], i["width"]) for i in content["images"]] == [
        ("JPEGImages/a.jpg", *SIZE),
        ("JPEGImages/b.jpg", *SIZE),
    ]
    dog, cat = content["annotations"]
    assert (dog["category_id"], dog["bbox"], dog["area"], dog["iscrowd"]) == (2, [0, 0, 60, 40], 2400, 0)
    assert (cat["category_id"], cat["bbox"], cat["area"], cat["iscrowd"]) == (1, [10, 5, 10, 10], 100, 1)
    assert done.coco.clipped == 0 and done.notes == ()


def test_what_becomes_of_difficult_objects(root):
    kept = voc_to_coco(root, difficult="keep")["all"].coco.annotations
    assert [a["iscrowd"] for a in kept] == [0, 0]
    assert len(voc_to_coco(root, difficult="drop")["all"].coco.annotations) == 1
    with pytest.raises(ValueError, match="difficult must be one of ignore, keep, drop, got 'crowd'"):
        voc_to_coco(root, difficult="crowd")


def test_lists_make_splits_of_the_same_classes(root):
    done = voc_to_coco(root, splits=["train", "val"])
    assert {name: [i["file_name"] for i in split.coco.images] for name, split in done.items()} == {
        "train": ["JPEGImages/a.jpg"],
        "val": ["JPEGImages/b.jpg"],
    }
    assert done["train"].coco.classes == done["val"].coco.classes == ("cat", "dog")
    with pytest.raises(FileNotFoundError, match=r"test\.txt'; lists there: train, val"):
        voc_to_coco(root, splits=["test"])


def test_edges_counted_from_zero_are_noticed_and_taken_as_such(root):
    spoil(root, [("dog", (0, 0, 60, 40), 0)])
    done = voc_to_coco(root)["all"]
    assert "--zero-based" in done.notes[0] and done.coco.clipped == 1
    done = voc_to_coco(root, zero_based=True)["all"]
    assert done.coco.annotations[0]["bbox"] == [0, 0, 60, 40] and done.notes == () and done.coco.clipped == 0


def test_an_image_turned_by_exif_has_the_size_with_which_it_is_loaded(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", SIZE).save(root / "JPEGImages/a.jpg", exif=exif)  # stored 40 wide, shown 60 wide
    assert voc_to_coco(root)["all"].coco.images[0]["width"] == SIZE[1]


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (
            [("dog", (70, 1, 80, 20), 0)],
            r"a\.xml': dog: the box \(69, 0, 80, 20\) .* lies outside the image, which is 60",
        ),
        ([("dog", (20, 1, 10, 20), 0)], r"a\.xml': dog: the box .* has no area"),
        ([("dog", ("ten", 1, 10, 20), 0)], r"a\.xml' has no number as <xmin> in <bndbox>, but 'ten'"),
        ([("", (1, 1, 10, 20), 0)], r"a\.xml' has an <object> without <name>"),
        ([("dog", ("nan", 1, 10, 20), 0)], r"has a coordinate that is no number"),
    ],
)
def test_objects_that_are_wrong_are_named_or_left_out(root, objects, message):
    spoil(root, objects)
    with pytest.raises(AnnotationError, match=message) as caught:
        voc_to_coco(root)
    assert str(caught.value).count("--on-error skip") == 1
    assert not (root / "annotations").exists()
    done = voc_to_coco(root, classes=["dog"], on_error="skip")["all"]
    assert len(done.skipped) == 1 and done.coco.annotations == []


def test_files_that_are_wrong_are_named_or_left_out(root):
    path = root / "Annotations/a.xml"
    for content, message in (
        (path.read_text()[:-30], r"a\.xml' is no complete XML file"),
        ("<html/>", r"a\.xml' is no VOC annotation: it holds <html>"),
        (xml([], size=(40, 61)), r"a\.xml' was made for an image 61 wide and 40 high, but '.*a\.jpg' is 60 wide"),
    ):
        path.write_text(content)
        with pytest.raises(AnnotationError, match=message):
            voc_to_coco(root, classes=["dog"])
        done = voc_to_coco(root, classes=["dog"], on_error="skip")["all"]
        assert [i["file_name"] for i in done.coco.images] == ["JPEGImages/b.jpg"] and len(done.skipped) == 1


def test_a_missing_image_class_and_folder(root):
    with pytest.raises(AnnotationError, match="class 'cat' is not among dog"):
        voc_to_coco(root, classes=["dog"])
    with pytest.raises(FileNotFoundError, match="no folder 'photos': name the right one by --images"):
        voc_to_coco(root, images="photos")
    (root / "JPEGImages/a.jpg").unlink()
    with pytest.raises(AnnotationError, match=r"the image of '.*a\.xml' is missing"):
        voc_to_coco(root)
    (root / "JPEGImages/a.jpg").write_text("no image")
    with pytest.raises(AnnotationError, match=r"cannot read image '.*a\.jpg': of no format that PIL knows"):
        voc_to_coco(root)


def test_the_tool(root, monkeypatch, capsys):
    run_here(monkeypatch, "tools/dataset_converters/voc_to_coco.py", root, "--splits", "train", "val")
    shown = capsys.readouterr().out
    assert "metainfo = dict(classes=('cat', 'dog'))" in shown
    assert "ann_file = 'annotations/val.json'" in shown
    with pytest.raises(SystemExit, match=r"^error: "):
        run_here(monkeypatch, "tools/dataset_converters/voc_to_coco.py", root / "nowhere")


@pytest.mark.det
def test_mmdet_reads_it(root):
    from mmdet.datasets import CocoDataset

    voc_to_coco(root)
    dataset = CocoDataset(
        data_root=str(root),
        ann_file="annotations/all.json",
        data_prefix={"img": ""},
        metainfo={"classes": ("cat", "dog")},
    )
    first = dataset.get_data_info(0)
    assert [(i["bbox"], i["bbox_label"], i["ignore_flag"]) for i in first["instances"]] == [
        ([0, 0, 60, 40], 1, 0),
        ([10, 5, 20, 15], 0, 1),
    ]
    assert first["img_path"] == str(root / "JPEGImages/a.jpg")
