"""COCO files as people have them: what has one meaning is understood, the rest is refused by name."""

import json
from copy import deepcopy

import pytest

from mirl_mm.datasets.coco_reader import clean_mask, in_cocos_form, read_coco
from mirl_mm.detection.coco_class_checks import check_annotations
from tests.detection.test_coco_class_checks import GOOD

SQUARE = [1, 1, 21, 1, 21, 21]


def changed(change) -> dict:
    content = deepcopy(GOOD)
    change(content)
    return content


def of(change):
    return in_cocos_form(changed(change), "f.json")


def test_iscrowd_may_be_missing_and_ids_may_begin_at_0():
    def change(content):
        content["annotations"][0].update(id=0)
        content["annotations"][1].update(iscrowd=1)

    content, notes = of(change)
    assert [each["id"] for each in content["annotations"]] == [1, 2]
    assert [each["iscrowd"] for each in content["annotations"]] == [0, 1]
    assert not notes


def test_good_ids_stay():
    assert [each["id"] for each in of(lambda c: c["annotations"][0].update(id=77)).content["annotations"]] == [77, 2]


@pytest.mark.parametrize(
    ("given", "kept", "dropped"),
    [
        ([[30, 30, 30, 35], SQUARE], [SQUARE], 1),
        ([[5, 5]], None, 1),
        ([[]], None, 1),
        (SQUARE, [SQUARE], 0),
        ([[1, 1], [21, 1], [21, 21]], [SQUARE], 0),  # points
        ([SQUARE, [1, 1, 2, 2, 3, 3, 4]], [SQUARE], 1),
        ([[1, 1, 2, 2]], None, 1),  # pycocotools takes four numbers for a box
    ],
)
def test_odd_polygons(given, kept, dropped):
    assert clean_mask(given) == (kept, dropped)
    content, notes = of(lambda c: c["annotations"][0].update(segmentation=given))
    assert content["annotations"][0].get("segmentation") == kept
    assert bool(notes) == bool(dropped)
    if dropped:
        assert f"{dropped} part of polygons left out, of fewer than 3 points" in notes[0]
    for test_mode in (False, True):
        check = {"masks": True, "test_mode": test_mode}
        other = {**content["annotations"][1], "segmentation": [SQUARE]}
        content = {**content, "annotations": [content["annotations"][0], other]}
        if kept is not None:
            check_annotations(content, ("ant", "bee"), "f.json", **check)
        else:
            with pytest.raises(
                ValueError, match=r"1 of 2 annotations have no segmentation, or no polygon .*first: 1\)"
            ):
                check_annotations(content, ("ant", "bee"), "f.json", **check)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["images"][0].update(width="64"),
            r"in 1 of 1 images, 'width' is not a positive .* 1 with '64'",
        ),
        (lambda c: c["images"][0].update(height=0), "'height' is not a positive number; the first is image 1 with 0"),
        (
            lambda c: c["annotations"][1].update(area=None),
            "'area' is not a number; the first is .* 2 with None",
        ),
        (lambda c: c["annotations"][1].update(area=float("nan")), "'area' is not a number; .* 2 with nan"),
        (lambda c: c["annotations"][1].update(bbox=None), "'bbox' is not 4 numbers, .* annotation 2 with None"),
        (lambda c: c["annotations"][1].update(bbox=["1", 2, 3, 4]), r"annotation 2 with \['1', 2, 3, 4\]"),
        (lambda c: c["annotations"][1].update(category_id="2"), "'category_id' is not an integer; .* 2 with '2'"),
        (lambda c: c["annotations"][1].update(image_id="1"), "'image_id' is not an integer, as images' .* 2 with '1'"),
        (
            lambda c: c["annotations"][1].update(iscrowd="0"),
            "'iscrowd' is not 0 or 1; .* 2 with '0'",
        ),
        (lambda c: c["annotations"][1].update(segmentation="x"), "annotation 2 is neither a list of polygons nor run"),
        (lambda c: c["annotations"][1].update(segmentation=[["1"] * 6]), "annotation 2 has a part that is no list of"),
        (lambda c: c["annotations"][1].update(segmentation=[[float("inf")] * 6]), "annotation 2 has a part that is no"),
        (
            lambda c: c["annotations"][1].update(segmentation={"size": [9, 9], "counts": [81]}),
            r"annotation 2 has run lengths of \(9, 9\) \(H, W\), the image is \(40, 60\)",
        ),
        (lambda c: c["categories"][1].pop("id"), "1 of 2 categories have no 'id': add it"),
        (lambda c: c["categories"][1].update(name=None), "'name' is not a text; the first is category 2 with None"),
        (
            lambda c: c["images"].append({**c["images"][0], "id": "2"}),
            "some images have an id that is a number",
        ),
        (lambda c: c["annotations"].append(None), "1 of 3 annotations are not an object, the first is None"),
    ],
)
def test_values_of_another_kind_are_named(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        of(change)
    assert "annotation file 'f.json'" in str(caught.value)


def test_a_file_of_windows(tmp_path):
    content = changed(lambda c: c["images"][0].update(file_name="sub\\a.jpg"))
    (tmp_path / "f.json").write_text(json.dumps(content), encoding="utf-8-sig")
    assert read_coco(str(tmp_path / "f.json")).content["images"][0]["file_name"] == "sub/a.jpg"
