"""Instance masks become the annotations that they were made from."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mirl_mm.converters import AnnotationError, instances_to_coco
from mirl_mm.shapes import DEFAULT_STYLE, generate
from tests.training import run_here

TOOL = "tools/dataset_converters/instances_to_coco.py"
CLASSES = ("cross", "ring", "star")


def decode(rle: dict) -> np.ndarray:
    values = np.repeat(np.arange(len(rle["counts"])) % 2, rle["counts"])
    return values.reshape(rle["size"], order="F").astype(bool)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Shapes in COCO's format, and its content."""
    folder = tmp_path_factory.mktemp("instances") / "data"
    style = replace(DEFAULT_STYLE, classes=CLASSES)
    generate(folder, num_train=8, num_val=1, size=(48, 64), layouts=("coco",), workers=1, style=style)
    content = json.loads((folder / "coco/annotations/instances_train2017.json").read_text())
    return folder / "coco/train2017", content


def by_image(content) -> dict[str, list[dict]]:
    names = {image["id"]: image["file_name"].removesuffix(".jpg") for image in content["images"]}
    found = {name: [] for name in names.values()}
    for each in content["annotations"]:
        found[names[each["image_id"]]].append(each)
    return found


def save(values: np.ndarray, path, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "RGB":
        values = np.stack([values % 256, values // 256, np.zeros_like(values)], axis=-1)
    image = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.uint8))
    if mode == "P":
        image.putpalette([i * 7 % 256 for i in range(768)])
    image.save(path)


def same(made, content, keys=("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation")) -> None:
    """The file has just what Shapes wrote, in the same order if ids are compared."""
    written = json.loads(made.path.read_text())
    assert written["images"] == content["images"]
    found, expected = ([[each[key] for key in keys] for each in file["annotations"]] for file in (written, content))
    if "id" not in keys:
        found, expected = sorted(found, key=str), sorted(expected, key=str)
    assert found == expected
    assert len(found) > 8


ANY_ORDER = ("image_id", "category_id", "bbox", "area", "iscrowd", "segmentation")


@pytest.mark.parametrize("mode", ["L", "P", "I;16", "RGB"])
def test_one_class_each_value_an_object(shapes, tmp_path, mode):
    """As in PennFudan: a_mask.png of a.jpg."""
    images, content = shapes
    for name, objects in by_image(content).items():
        values = np.zeros((48, 64), dtype=np.int64)
        for i, each in enumerate(objects, 1):
            values[decode(each["segmentation"])] = i + 300 * (mode in ("I;16", "RGB"))
        save(values, tmp_path / f"masks/{name}_mask.png", mode)
    made = instances_to_coco(images, tmp_path / "masks", tmp_path / "all.json", classes=["shape"])
    one = {**content, "annotations": [{**each, "category_id": 1} for each in content["annotations"]]}
    same(made, one)
    assert made.coco.classes == ("shape",) and made.skipped == [] and made.notes == ()


def test_classes_by_folder(shapes, tmp_path):
    images, content = shapes
    for name, objects in by_image(content).items():
        for label, title in enumerate(CLASSES, 1):
            values = np.zeros((48, 64), dtype=np.int64)
            for i, each in enumerate(objects, 1):
                values[decode(each["segmentation"])] = i * (each["category_id"] == label)
            save(values, tmp_path / f"masks/{title}/{name}.png")
    made = instances_to_coco(images, tmp_path / "masks", tmp_path / "all.json", class_from="folder")
    assert made.coco.classes == CLASSES
    same(made, content, ANY_ORDER)


@pytest.mark.parametrize("form", ["masks/{image}_{name}_{i}.png", "masks/{image}/{name}{i}.png"])
def test_classes_by_file_an_object_each(shapes, tmp_path, form):
    images, content = shapes
    for image, objects in by_image(content).items():
        for i, each in enumerate(objects):
            path = tmp_path / form.format(image=image, name=CLASSES[each["category_id"] - 1], i=i)
            save(255 * decode(each["segmentation"]).astype(np.int64), path)
    made = instances_to_coco(images, tmp_path / "masks", tmp_path / "all.json", CLASSES, "file")
    same(made, content, ANY_ORDER)


@pytest.mark.parametrize("names", [CLASSES, ["1=cross", "2=ring", "3=star"]])
def test_classes_by_value(shapes, tmp_path, names):
    """As in Cityscapes: 2003 is the fourth ring, and 2 alone is ground without objects."""
    images, content = shapes
    for name, objects in by_image(content).items():
        values = np.full((48, 64), 2)
        for i, each in enumerate(objects):
            values[decode(each["segmentation"])] = 1000 * each["category_id"] + i
        save(values, tmp_path / f"masks/{name}.png", "I;16")
    made = instances_to_coco(images, tmp_path / "masks", tmp_path / "all.json", names, "value")
    same(made, content, ANY_ORDER)
    assert made.notes == ("left out: 8 regions of values below 1000, which number no object",)
    rings = instances_to_coco(images, tmp_path / "masks", tmp_path / "r.json", ["2=ring"], "value").coco
    labels = [each["category_id"] for each in content["annotations"]]
    assert len(rings.annotations) == labels.count(2) and rings.classes == ("ring",)


def write_pair(root, values, name="a_mask.png", size=(6, 8)) -> None:
    (root / "images").mkdir(exist_ok=True)
    Image.new("RGB", size[::-1]).save(root / "images/a.jpg")
    save(np.asarray(values), root / "masks" / name)


def test_values_that_are_no_objects(tmp_path):
    values = np.zeros((6, 8), dtype=int)
    values[1:3, 2:6], values[5] = 7, 255
    write_pair(tmp_path, values)
    coco = instances_to_coco(tmp_path / "images", tmp_path / "masks", tmp_path / "a.json", ignore=[255]).coco
    (only,) = coco.annotations
    assert (only["bbox"], only["area"], coco.classes) == ([2, 1, 4, 2], 8, ("object",))


@pytest.mark.parametrize(
    ("options", "spoil", "message"),
    [
        ({}, lambda root: (root / "masks/b.png").write_bytes(b"x"), "b.png' belongs to no image of"),
        ({}, lambda root: (root / "masks/a_mask.png").write_bytes(b"x"), "a_mask.png': of no format that PIL knows"),
        ({}, lambda root: Image.new("RGB", (9, 9)).save(root / "images/b.jpg"), "b.jpg' has no mask in"),
        ({}, lambda root: write_pair(root, np.ones((6, 8)), size=(8, 6)), "has (6, 8) pixels (rows, columns), its"),
        ({}, lambda root: write_pair(root, np.zeros((6, 8))), "hold no object"),
        ({"class_from": "file", "classes": ["cat"]}, lambda root: None, "the class 'mask' is not among cat"),
        ({"class_from": "folder"}, lambda root: None, "lies in no folder of a class"),
        ({"class_from": "value", "classes": ["cat"]}, lambda root: None, "numbered from 1000 on: set the divisor"),
        ({"class_from": "value"}, lambda root: None, "class_from='value' needs classes"),
        ({"classes": ["cat", "dog"]}, lambda root: None, "2 classes are given: say where an object's class stands"),
        ({"class_from": "name"}, lambda root: None, "class_from must be one of one, folder, file, value"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, options, spoil, message):
    write_pair(tmp_path, np.ones((6, 8)))
    spoil(tmp_path)
    with pytest.raises(ValueError, match=re.escape(message)):
        instances_to_coco(tmp_path / "images", tmp_path / "masks", tmp_path / "a.json", workers=0, **options)
    assert not (tmp_path / "a.json").exists()


def test_jpeg_masks_are_refused(tmp_path):
    write_pair(tmp_path, np.ones((6, 8)))
    (tmp_path / "masks/a_mask.png").rename(tmp_path / "masks/a.jpg")
    with pytest.raises(AnnotationError, match="a JPEG, which changes values: get the masks as PNG"):
        instances_to_coco(tmp_path / "images", tmp_path / "masks", tmp_path / "a.json")


def test_the_tool_leaves_out_what_is_wrong_and_says_it(tmp_path, monkeypatch, capsys):
    write_pair(tmp_path, np.eye(6, 8))
    Image.new("RGB", (9, 9)).save(tmp_path / "images/b.jpg")
    arguments = [tmp_path / "images", tmp_path / "masks", tmp_path / "a.json", "--classes", "line"]
    with pytest.raises(SystemExit, match=r"^error: the image '.*b.jpg' has no mask .*--on-error skip"):
        run_here(monkeypatch, TOOL, *arguments)
    run_here(monkeypatch, TOOL, *arguments, "--on-error", "skip")
    printed = capsys.readouterr().out
    assert "left out: the image " in printed and "metainfo = dict(classes=('line',))" in printed
