"""YOLO's text files to COCO's format."""

import json

import pytest
from PIL import Image

from mirl_mm.converters import AnnotationError, yolo_to_coco
from tests.training import run_here

SIZE = (40, 80)  # (H, W)


@pytest.fixture
def root(tmp_path):
    """Two training images, the second without labels, and one for validation, with its own yaml file."""
    for split, stem, labels in (
        ("train", "a", "1 0.5 0.5 0.25 0.5\n0 0.0 0.0 0.5 0.0 0.5 1.0\n\n"),
        ("train", "b", None),
        ("val", "c", "0 0.5 0.5 1 1"),
    ):
        image = tmp_path / f"images/{split}/{stem}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE[::-1]).save(image)
        path = tmp_path / f"labels/{split}/{stem}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        if labels is not None:
            path.write_text(labels)
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnc: 2\nnames: [cat, dog]\n")
    return tmp_path


def test_boxes_polygons_and_negatives(root):
    done = yolo_to_coco(root)
    content = json.loads((root / "annotations/train.json").read_text())
    assert [c["name"] for c in content["categories"]] == ["cat", "dog"]
    assert [(i["file_name"], i["height"], i["width"]) for i in content["images"]] == [
        ("images/train/a.png", *SIZE),
        ("images/train/b.png", *SIZE),
    ]
    box, polygon = content["annotations"]
    assert (box["category_id"], box["bbox"], box["area"]) == (2, [30, 10, 20, 20], 400)
    assert "segmentation" not in box
    assert (polygon["category_id"], polygon["bbox"]) == (1, [0, 0, 40, 40])
    assert polygon["segmentation"] == [[0, 0, 40, 0, 40, 40]] and polygon["area"] == 800
    assert "1 of 2 objects have a polygon" in done["train"].notes[0]
    assert list(done) == ["train", "val"]


def test_where_things_may_lie(root):
    expected = yolo_to_coco(root)["train"].coco.annotations
    (root / "data.yaml").rename(root / "mine.yml")
    (root / "classes.txt").write_text("cat\ndog\n")
    assert yolo_to_coco(root)["train"].coco.annotations == expected
    names = "names: {0: cat, 1: dog}"
    (root / "train.txt").write_text("./images/train/a.png\nimages/train/b.png\n")
    for content in (
        f"path: {root}\ntrain: images/train\n{names}",
        f"path: /of/another/machine\ntrain: [images/train]\n{names}",
        f"train: ../images/train\n{names}",
        f"train: train.txt\n{names}",
    ):
        (root / "mine.yml").write_text(content)
        done = yolo_to_coco(root / "mine.yml", root / "out")
        assert done["train"].coco.annotations == expected, content
        assert json.loads((root / "out/train.json").read_text())["images"][1]["file_name"] == "images/train/b.png"
    for path in (root / "labels/train").iterdir():
        path.rename(root / "images/train" / path.name)  # beside the images
    (root / "data.yaml").write_text(f"train: photos\n{names}")
    (root / "images/train").rename(root / "photos")
    assert yolo_to_coco(root)["train"].coco.annotations == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.1 0.1", r"a\.txt', line 1: class 2 is out of range: there are 2, numbered from 0 \(cat, dog\)"),
        ("0.5 0.5 0.5 0.1 0.1", "class 0.5 is out of range"),
        ("0 0.5 0.5 0.1", "4 numbers: expected 5"),
        ("0 0.5 0.5 0.1 0.1 0.9", "take the score off"),
        ("0 0.5 0.5 0.1 x", "not all are numbers"),
        ("0 40 20 10 10", "must be shares of the image in 0..1, not pixels"),
        ("0 nan 0.5 0.1 0.1", "must be shares"),
        ("0 0.5 0.5 0 0.1", "has no area"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3", "a polygon of 3 points has no area"),
        ("0 1.005 0.5 0.002 0.1", r"lies outside the image, which is 80 wide and 40 high"),
    ],
)
def test_lines_that_are_wrong_are_named_or_left_out(root, line, message):
    (root / "labels/train/a.txt").write_text(f"{line}\n1 0.5 0.5 0.25 0.5")
    with pytest.raises(AnnotationError, match=message) as caught:
        yolo_to_coco(root)
    assert str(caught.value).count("--on-error skip") == 1
    done = yolo_to_coco(root, on_error="skip")["train"]
    assert len(done.skipped) == 1 and len(done.coco.annotations) == 1 and len(done.coco.images) == 2


def test_a_box_that_juts_out_is_clipped(root):
    (root / "labels/train/a.txt").write_text("0 0.05 0.5 0.2 1.0")
    coco = yolo_to_coco(root)["train"].coco
    assert coco.annotations[0]["bbox"] == [0, 0, 12, 40] and coco.clipped == 1


def test_missing_and_broken_images(root):
    (root / "images/train/a.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(AnnotationError, match=r"cannot read image '.*a\.png': of no format that PIL knows"):
        yolo_to_coco(root)
    assert [i["file_name"] for i in yolo_to_coco(root, on_error="skip")["train"].coco.images] == ["images/train/b.png"]
    (root / "images/train/a.png").unlink()
    (root / "labels/train/b.txt").touch()
    with pytest.raises(AnnotationError, match=r"the image of '.*a\.txt' is missing"):
        yolo_to_coco(root)


def test_folders_and_files_that_say_too_little(root):
    with pytest.raises(ValueError, match=r"no split test in .*, which has train, val"):
        yolo_to_coco(root, splits=["test"])
    (root / "labels").rename(root / "labelz")
    with pytest.raises(
        AnnotationError, match=r"none of the 2 images of 'train' has a label file.*labels/train/a\.txt'"
    ):
        yolo_to_coco(root)
    for content, message in (
        ("train: images/train\nnames: [a]\nnc: 2", "says nc: 2, but has 1 names"),
        ("train: images/train", "has no class names"),
        ("train: images/train\nnames: {1: a, 2: b}", "must be 0..1, got 1, 2"),
        ("names: [a]", "names no images"),
        ("- a", "holds no table"),
        ("a: [", "is no YAML file"),
    ):
        (root / "data.yaml").write_text(content)
        with pytest.raises(ValueError, match=message):
            yolo_to_coco(root)
    (root / "data.yaml").write_text("train: nowhere\nnames: [a]")
    with pytest.raises(FileNotFoundError, match="names 'nowhere', but there is no"):
        yolo_to_coco(root)
    (root / "data.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"neither data\.yaml nor classes\.txt"):
        yolo_to_coco(root)


def test_the_tool(root, monkeypatch, capsys):
    run_here(monkeypatch, "tools/dataset_converters/yolo_to_coco.py", root / "data.yaml")
    assert "metainfo = dict(classes=('cat', 'dog'))" in capsys.readouterr().out
    (root / "labels/val/c.txt").write_text("7 0.5 0.5 1 1")
    with pytest.raises(SystemExit, match=r"^error: .*class 7 is out of range"):
        run_here(monkeypatch, "tools/dataset_converters/yolo_to_coco.py", root)
