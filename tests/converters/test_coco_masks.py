"""COCO's annotations into segmentation maps."""

import json

import numpy as np
import pytest

from mirl_mm.converters import AnnotationError, coco_to_masks
from mirl_mm.datasets.seg_maps import read_seg_map
from mirl_mm.rle import encode_rle
from mirl_mm.shapes import CLASSES, generate
from tests.training import run_here

coco = pytest.importorskip("pycocotools.mask", reason="needs pycocotools")

BIG = [[0, 0, 8, 0, 8, 6, 0, 6]]  # x 0..8, y 0..6
SMALL = [[2, 1, 5, 1, 5, 4, 2, 4]]


def rle(rows, columns):
    mask = np.zeros((8, 10), dtype=bool)
    mask[rows, columns] = True
    return encode_rle(mask)


def compressed(lengths):
    found = coco.frPyObjects(lengths, 8, 10)
    return {"size": [8, 10], "counts": found["counts"].decode()}


def write(path, annotations, **more):
    content = {
        "images": [
            {"id": 7, "file_name": "sub/a.jpg", "height": 8, "width": 10},
            {"id": 9, "file_name": "empty.jpg", "height": 3, "width": 2},
        ],
        "categories": [{"id": 3, "name": "cat"}, {"id": 11, "name": "mat"}],
        "annotations": [{"id": i, "image_id": 7, "iscrowd": 0, **each} for i, each in enumerate(annotations, 1)],
    }
    path.write_text(json.dumps({**content, **more}))
    return path


@pytest.fixture
def file(tmp_path):
    """A small cat on a large mat, a strip of crowded cats below."""
    crowd = {"category_id": 3, "segmentation": rle(np.s_[5:], np.s_[:]), "iscrowd": 1}
    small, big = {"category_id": 3, "segmentation": SMALL}, {"category_id": 11, "segmentation": BIG}
    return write(tmp_path / "instances.json", [small, crowd, big])


def painted(ground, crowd):
    values = np.full((8, 10), ground)
    if crowd is not None:
        values[5:] = crowd
    values[:6, :8] = 2
    values[1:4, 2:5] = 1
    return values


@pytest.mark.parametrize(("crowd", "value"), [("ignore", 0), ("drop", None)])
def test_the_smaller_is_on_top_and_crowds_below(file, tmp_path, crowd, value):
    made = coco_to_masks(file, tmp_path / "masks", crowd=crowd)
    assert np.array_equal(read_seg_map(str(tmp_path / "masks/sub/a.png")), painted(0, value))
    assert np.array_equal(read_seg_map(str(tmp_path / "masks/empty.png")), np.zeros((3, 2)))
    assert (tmp_path / "masks/classes.txt").read_text() == "cat\nmat\n"
    assert made.counts.pixels.tolist() == [9, 39] and made.counts.empty == 1


def test_crowds_as_ordinary_annotations(file, tmp_path):
    coco_to_masks(file, tmp_path / "masks", crowd="keep")
    values = painted(0, None)
    values[5:] = 1  # 30 pixels, the mat has 48
    assert np.array_equal(read_seg_map(str(tmp_path / "masks/sub/a.png")), values)


def test_background_chosen_classes_and_zero_based_values(file, tmp_path):
    made = coco_to_masks(file, tmp_path / "masks", "floor", ["mat"], "drop", zero_based=True)
    values = np.zeros((8, 10))
    values[:6, :8] = 1
    assert np.array_equal(read_seg_map(str(tmp_path / "masks/sub/a.png")), values)
    assert (tmp_path / "masks/classes.txt").read_text() == "floor\nmat\n"
    assert made.notes == ("left out: 2 annotations of other categories",)


def test_both_kinds_of_run_lengths(tmp_path):
    lengths = rle(np.s_[2:4], np.s_[3:9])
    for name, segmentation in (("plain", lengths), ("compressed", compressed(lengths))):
        path = write(tmp_path / f"{name}.json", [{"category_id": 11, "segmentation": segmentation}])
        coco_to_masks(path, tmp_path / name)
        found = read_seg_map(str(tmp_path / name / "sub/a.png"))
        assert (found == 2).sum() == 12 and (found[2:4, 3:9] == 2).all()


def test_shapes_in_both_layouts_are_the_same(tmp_path):
    data = generate(tmp_path / "data", num_train=0, num_val=3, size=(32, 48), layouts=("coco", "ade"), workers=1)
    coco_to_masks(data / "coco/annotations/instances_val2017.json", tmp_path / "masks", "background")
    assert (tmp_path / "masks/classes.txt").read_text().split() == ["background", *CLASSES]
    for path in sorted((data / "ade/annotations/validation").iterdir()):
        assert np.array_equal(read_seg_map(str(tmp_path / "masks" / path.name)), read_seg_map(str(path)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"category_id": 3, "bbox": [0, 0, 2, 2]},
            "annotation 1 has no segmentation, or no polygon of at least 3 points: a box alone",
        ),
        ({"category_id": 4, "segmentation": BIG}, "annotation 1 is of category 4, which the file does not list"),
        ({"category_id": 3, "segmentation": BIG, "image_id": 1}, "annotation 1 is of image 1, which the file"),
        (
            {"category_id": 3, "segmentation": {"size": [3, 3], "counts": [9]}},
            r"annotation 1 has run lengths of \(3, 3\) \(H, W\), the image is \(8, 10\)",
        ),
    ],
)
def test_bad_annotations_are_named(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        coco_to_masks(write(tmp_path / "bad.json", [wrong]), tmp_path / "masks")


def test_what_else_is_refused(file, tmp_path):
    with pytest.raises(AnnotationError, match="has no category 'dog'; it has cat, mat"):
        coco_to_masks(file, tmp_path / "masks", classes=["dog"])
    with pytest.raises(AnnotationError, match="has 'cat' twice"):
        coco_to_masks(file, tmp_path / "masks", background="cat")
    with pytest.raises(ValueError, match="crowd must be one of ignore, keep, drop, got 'x'"):
        coco_to_masks(file, tmp_path / "masks", crowd="x")
    images = [{"id": i, "file_name": name, "height": 2, "width": 2} for i, name in enumerate(["a.jpg", "a.png"])]
    path = write(tmp_path / "twice.json", [], images=images)
    with pytest.raises(AnnotationError, match=r"a\.jpg' and '.*a\.png' would both become"):
        coco_to_masks(path, tmp_path / "masks")
    path = write(tmp_path / "sizeless.json", [], images=[{"id": 1, "file_name": "a.jpg", "height": 2}])
    with pytest.raises(ValueError, match="1 of 1 images have no 'width': add it"):
        coco_to_masks(path, tmp_path / "masks")


def test_the_tool(file, tmp_path, monkeypatch, capsys):
    run_here(monkeypatch, "tools/dataset_converters/coco_to_masks.py", file, tmp_path / "masks", "--crowd", "drop")
    assert np.array_equal(read_seg_map(str(tmp_path / "masks/sub/a.png")), painted(0, None))
    assert "1 mask without any label" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit, match=r"^error: .*none\.json"):
        run_here(monkeypatch, "tools/dataset_converters/coco_to_masks.py", tmp_path / "none.json", tmp_path / "masks")
