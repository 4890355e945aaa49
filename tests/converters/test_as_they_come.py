"""Data sets as people have them: links, leftovers of macOS, encodings, odd names; and what must not be replaced."""

import json
import os
import sys

import numpy as np
import pytest
from PIL import Image

from mirl_mm.converters import AnnotationError, coco_to_masks, colours_to_masks, voc_to_coco, yolo_to_coco
from mirl_mm.converters.summary import print_summary
from mirl_mm.datasets.seg_maps import read_seg_map
from mirl_mm.outputs import OutputError
from tests.converters.test_voc import SIZE, xml
from tests.training import run_here

pytest.importorskip("pycocotools.mask", reason="needs pycocotools")
POLYGON = [[1, 1, 5, 1, 5, 5, 1, 5]]


def image(path, size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1]).save(path)


def coco(path, names, **mask):
    content = {
        "images": [{"id": i, "file_name": name, "height": 8, "width": 10} for i, name in enumerate(names)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "mat"}],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "segmentation": POLYGON, **mask} for i in range(len(names))
        ],
    }
    path.write_text(json.dumps(content))
    return path


def names_in(coco_file):
    return [each["file_name"] for each in json.loads(coco_file.read_text())["images"]]


# What must not be replaced.


@pytest.mark.parametrize("name", ["../photos/a.png", "{photos}/a.png", "sub/../../photos/a.png"])
def test_masks_outside_of_their_folder(tmp_path, name):
    image(tmp_path / "photos/a.png")
    before = (tmp_path / "photos/a.png").read_bytes()
    file = coco(tmp_path / "f.json", [name.format(photos=tmp_path / "photos")])
    with pytest.raises(OutputError, match="lies outside of the output folder"):
        coco_to_masks(file, tmp_path / "masks")
    assert (tmp_path / "photos/a.png").read_bytes() == before and not (tmp_path / "masks").exists()


@pytest.mark.parametrize("ending", ["png", "jpg", "PNG"])
def test_masks_among_the_images(tmp_path, ending):
    image(tmp_path / f"photos/a.{ending}")
    before = sorted(os.listdir(tmp_path / "photos")), (tmp_path / f"photos/a.{ending}").read_bytes()
    with pytest.raises(OutputError):
        coco_to_masks(coco(tmp_path / "f.json", [f"a.{ending}"]), tmp_path / "photos")
    assert (sorted(os.listdir(tmp_path / "photos")), (tmp_path / f"photos/a.{ending}").read_bytes()) == before


def test_masks_of_another_file_or_class_stay(tmp_path):
    out = tmp_path / "masks"
    train, val = (coco(tmp_path / f"{split}.json", ["a.jpg"]) for split in ("train", "val"))
    for _ in range(2):  # the same again
        coco_to_masks(train, out)
    with pytest.raises(OutputError, match=r"a.png' is there and was made of something else"):
        coco_to_masks(val, out)
    with pytest.raises(OutputError, match=r"classes.txt' is there and says something else"):
        coco_to_masks(train, out, classes=["mat", "cat"])


def test_backslashes_are_folders(tmp_path):
    coco_to_masks(coco(tmp_path / "f.json", ["images\\a.png"]), tmp_path / "masks")
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.png")] == ["masks/images/a.png"]


def test_colours_among_the_labels(tmp_path):
    image(tmp_path / "labels/sub/a.png")
    (tmp_path / "colours.txt").write_text("0 0 0 road\n9 9 9 sky\n")
    for out in ("labels", "labels/sub/.."):
        with pytest.raises(OutputError):
            colours_to_masks(tmp_path / "labels", tmp_path / out, tmp_path / "colours.txt")
    assert sorted(os.listdir(tmp_path / "labels")) == ["sub"]


def test_annotation_files_that_others_made(tmp_path):
    voc = made_voc(tmp_path / "voc")
    yolo = made_yolo(tmp_path / "yolo")
    for root, convert, name in ((voc, voc_to_coco, "all"), (yolo, yolo_to_coco, "all")):
        for _ in range(2):
            convert(root)
        path = root / f"annotations/{name}.json"
        path.write_text('{"info": {"description": "by hand"}}')
        with pytest.raises(OutputError, match=f"{name}.json' is there and is not this conversion's"):
            convert(root)
        assert "by hand" in path.read_text()
        convert(root, overwrite=True)
        assert "by hand" not in path.read_text()


# One class.


def test_masks_of_one_class_need_a_background(tmp_path):
    file = coco(tmp_path / "f.json", ["a.png"])
    with pytest.raises(AnnotationError, match=r"gives one class, 'cat': .* nothing to tell it from. .*--background"):
        coco_to_masks(file, tmp_path / "masks", classes=["cat"])
    coco_to_masks(file, tmp_path / "masks", "background", ["cat"], zero_based=True)
    assert read_seg_map(str(tmp_path / "masks/a.png")).sum() == 16
    image(tmp_path / "labels/a.png")
    (tmp_path / "colours.txt").write_text("0 0 0 road\n9 9 9 void\n")
    with pytest.raises(AnnotationError, match=r"gives one class, 'road'.*take it off --unlabelled"):
        colours_to_masks(tmp_path / "labels", tmp_path / "m", tmp_path / "colours.txt", ["void"])


# Polygons.


@pytest.mark.parametrize("mask", [[[3, 3, 3, 4], *POLYGON], POLYGON[0], [[1, 1], [5, 1], [5, 5], [1, 5]]])
def test_odd_polygons_are_painted(tmp_path, mask):
    made = coco_to_masks(coco(tmp_path / "f.json", ["a.png"], segmentation=mask), tmp_path / "masks")
    assert read_seg_map(str(tmp_path / "masks/a.png")).sum() == 16
    assert bool(made.notes) == (len(mask) == 2)


@pytest.mark.parametrize("mask", [[[5, 5]], [[]], [[1, 1, 9, 9]], []])
def test_a_mask_of_which_nothing_is_left_is_named(tmp_path, mask):
    with pytest.raises(AnnotationError, match=r"annotation 1 has no segmentation, or no polygon of at least 3 points"):
        coco_to_masks(coco(tmp_path / "f.json", ["a.png"], segmentation=mask), tmp_path / "masks")
    assert not (tmp_path / "masks").exists()


# Files and folders.


def made_voc(root, stems=("a", "photo (1)"), **options):
    for stem in stems:
        image(root / f"JPEGImages/{stem}.jpg")
        (root / "Annotations").mkdir(exist_ok=True)
        (root / f"Annotations/{stem}.xml").write_text(xml([("dog", (1, 1, 9, 9), 0)], f"{stem}.jpg"))
    return root


def made_yolo(root, stems=("a",), names="names: [cat, dog]", below=""):
    for stem in stems:
        image(root / f"images/{below}{stem}.png")
        label = root / f"labels/{below}{stem}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("1 0.5 0.5 0.5 0.5\n")
    (root / "classes.txt").write_text("cat\ndog\n")
    return root


@pytest.mark.parametrize(
    ("line", "stem"),
    [
        ("photo (1)", "photo (1)"),
        ("photo (1).jpg", "photo (1)"),
        ("photo (1) -1", "photo (1)"),
        ("a.jpg", "a"),
        ("a.xml", "a"),
        ("a  1", "a"),
        ("JPEGImages/a.JPG", "a"),
        ("JPEGImages\\photo (1).jpg", "photo (1)"),
        ("a 12 of something else", "a"),
    ],
)
def test_lines_of_vocs_lists(tmp_path, line, stem):
    root = made_voc(tmp_path)
    (root / "ImageSets/Main").mkdir(parents=True)
    (root / "ImageSets/Main/train.txt").write_text(f"{line}\r\n", encoding="utf-8-sig")
    voc_to_coco(root, splits=["train"])
    assert names_in(root / "annotations/train.json") == [f"JPEGImages/{stem}.jpg"]
    (root / "ImageSets/Main/train.txt").write_text("photo (2).jpg\n")
    with pytest.raises(AnnotationError, match=r"photo \(2\).xml', named in 'train', is not there"):
        voc_to_coco(root, splits=["train"])


def test_leftovers_of_macos(tmp_path):
    voc, yolo = made_voc(tmp_path / "voc"), made_yolo(tmp_path / "yolo")
    for path in (*voc.rglob("*.*"), *yolo.rglob("*.*")):
        if path.is_file():
            (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7")
    voc_to_coco(voc)
    assert names_in(voc / "annotations/all.json") == ["JPEGImages/a.jpg", "JPEGImages/photo (1).jpg"]
    yolo_to_coco(yolo)
    assert names_in(yolo / "annotations/all.json") == ["images/a.png"]


def test_linked_folders(tmp_path):
    made_yolo(tmp_path / "elsewhere")
    root = tmp_path / "yolo"
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
        (root / folder / "batch1").symlink_to(tmp_path / "elsewhere" / folder)
    done = yolo_to_coco(root, classes=["cat", "dog"])["all"]
    assert names_in(root / "annotations/all.json") == ["images/batch1/a.png"] and len(done.coco.annotations) == 1
    voc = made_voc(tmp_path / "voc", ["a"])
    for folder in ("JPEGImages", "Annotations"):
        (voc / folder / "more").symlink_to(made_voc(tmp_path / "other", ["b"]) / folder)
    voc_to_coco(voc)
    assert names_in(voc / "annotations/all.json") == ["JPEGImages/a.jpg", "JPEGImages/more/b.jpg"]


@pytest.mark.parametrize("test", ["test: ../test/images", "test: null", "test:", "test: []"])
def test_a_split_that_is_not_there(tmp_path, test):
    root = made_yolo(tmp_path, below="train/")
    (root / "data.yaml").write_text(f"train: images\\train\n{test}\nnames:\n  0: no\n  1: yes\nnc: 2\n", "utf-8-sig")
    done = yolo_to_coco(root, splits=["train"])
    assert done["train"].coco.classes == ("no", "yes")
    if "images" in test:
        with pytest.raises(FileNotFoundError, match=r"names '../test/images', but there is no"):
            yolo_to_coco(root)
    else:
        yolo_to_coco(root)
    with pytest.raises(ValueError, match=r"no split val in '.*', which has train"):
        yolo_to_coco(root, splits=["val"])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are Unicode")
def test_names_that_are_no_utf8(tmp_path, monkeypatch, capfd):
    root = made_yolo(tmp_path)
    name = os.fsdecode(b"caf\xe9")
    image(root / f"images/{name}.png")
    run_here(monkeypatch, "tools/dataset_converters/yolo_to_coco.py", root)
    (found,) = (each for each in names_in(root / "annotations/all.json") if each != "images/a.png")
    assert found == f"images/{name}.png" and (root / found).is_file()
    (root / "annotations/all.json").read_text(encoding="utf-8")
    coco_to_masks(coco(tmp_path / "f.json", [found]), tmp_path / "masks")
    assert (tmp_path / f"masks/images/{name}.png").is_file()


def test_encodings(tmp_path):
    root = made_yolo(tmp_path / "yolo", ["a", "b", "c"])
    (root / "classes.txt").write_text("cat\r\ndog\r\n", encoding="utf-8-sig")
    (root / "labels/a.txt").write_text("0 0.5 0.5 0.5 0.5\n", encoding="utf-16")
    (root / "labels/b.txt").write_text("0 0.5 0.5 0.5 0.5\n", encoding="utf-8-sig")
    done = yolo_to_coco(root)["all"]
    assert done.coco.classes == ("cat", "dog") and len(done.coco.annotations) == 3
    (root / "labels/c.txt").write_bytes(b"\xff\xff\xff")
    with pytest.raises(ValueError, match=r"c.txt' is no text in UTF-8 .*--on-error skip"):
        yolo_to_coco(root)
    assert len(yolo_to_coco(root, on_error="skip")["all"].skipped) == 1
    voc = made_voc(tmp_path / "voc")
    text = xml([("行人", (1, 1, 9, 9), 0)])
    (voc / "Annotations/a.xml").write_bytes(f'<?xml version="1.0" encoding="gb2312"?>{text}'.encode("gb2312"))
    assert voc_to_coco(voc)["all"].coco.classes == ("dog", "行人")
    (voc / "Annotations/a.xml").write_bytes(text.encode("gb2312"))
    with pytest.raises(ValueError, match=r"a.xml' is no text in UTF-8 .*--on-error skip"):
        voc_to_coco(voc)
    assert len(voc_to_coco(voc, on_error="skip")["all"].coco.images) == 1


def test_an_image_with_broken_exif(tmp_path):
    root = made_voc(tmp_path, ["a"])
    Image.new("RGB", SIZE[::-1]).save(root / "JPEGImages/a.jpg", exif=b"Exif\0\0no TIFF header")
    assert len(voc_to_coco(root)["all"].coco.images) == 1


def test_paths_of_windows_in_an_xml_file(tmp_path):
    root = made_voc(tmp_path, ["a"])
    (root / "Annotations/a.xml").rename(root / "Annotations/b.xml")
    (root / "Annotations/b.xml").write_text(xml([("dog", (1, 1, 9, 9), 0)], "C:\\photos\\a.jpg"))
    voc_to_coco(root)
    assert names_in(root / "annotations/all.json") == ["JPEGImages/a.jpg"]


def test_classes_that_look_like_markup(tmp_path, capsys):
    root = made_yolo(tmp_path)
    print_summary(yolo_to_coco(root, classes=["sign [/b]", "[red]x"]))
    shown = capsys.readouterr().out
    assert "sign [/b]" in shown and "[red]x" in shown


def test_tools_do_not_write_into_their_own_input(tmp_path, monkeypatch):
    """Each converter given its own input folder."""
    image(tmp_path / "photos/a.png")
    file = coco(tmp_path / "photos/f.json", ["a.png"])
    (tmp_path / "photos/colours.txt").write_text("0 0 0 road\n9 9 9 sky\n")
    before = {path: path.read_bytes() for path in (tmp_path / "photos").iterdir()}
    for name, *arguments in (
        ("coco_to_masks", file, tmp_path / "photos"),
        ("colours_to_masks", tmp_path / "photos", tmp_path / "photos", "--classes", tmp_path / "photos/colours.txt"),
    ):
        with pytest.raises(SystemExit, match=r"^error: "):
            run_here(monkeypatch, f"tools/dataset_converters/{name}.py", *arguments)
        assert {path: path.read_bytes() for path in (tmp_path / "photos").iterdir()} == before
    assert np.asarray(Image.open(tmp_path / "photos/a.png")).shape == (*SIZE, 3)
