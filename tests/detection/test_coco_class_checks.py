"""Messages about annotation files that can't be used."""

from copy import deepcopy

import pytest

from mirl_mm.datasets.coco_reader import in_cocos_form, read_annotations
from mirl_mm.detection.coco_class_checks import check_annotations, check_images

GOOD = {
    "images": [{"id": 1, "file_name": "a.jpg", "height": 40, "width": 60}],
    "categories": [{"id": 5, "name": "ant"}, {"id": 2, "name": "bee"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 5, "bbox": [0, 0, 9, 9], "area": 81},
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [5, 5, 9, 9], "area": 81},
    ],
}


def changed(change) -> dict:
    content = deepcopy(GOOD)
    change(content)
    return content


def test_categories_come_in_the_order_of_the_classes():
    for classes in (("ant", "bee"), ("bee", "ant"), ("bee",)):
        kept, _ = check_annotations(GOOD, classes, "f.json")
        assert tuple(category["name"] for category in kept) == classes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["annotations"][1].pop("area"), r"1 of 2 annotations have no 'area' \(of the mask"),
        (lambda c: c["images"][0].pop("height"), "1 of 1 images have no 'height'"),
        (lambda c: c["annotations"][1].update(id=1), "1 annotation ids are used more than once: 1"),
        (lambda c: c["annotations"][1].update(image_id=8), "1 value of image_id that the file does not list: 8"),
        (lambda c: c["annotations"][1].update(category_id=0), "1 value of category_id that the file does not list: 0"),
        (
            lambda c: c["annotations"][1].update(bbox=[1, 2]),
            r"in 1 of 2 annotations, 'bbox' is not 4 numbers, .*; the first is annotation 2 with \[1, 2\]",
        ),
        (lambda c: c["categories"][1].update(name="ant"), "several categories have the same name: ant"),
    ],
)
def test_refused(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_annotations(in_cocos_form(changed(change), "f.json").content, ("ant",), "f.json")
    assert "f.json" in str(caught.value)


@pytest.mark.parametrize("box", [[5, 5, 0, 9], [5, 5, 9, 0.5], [60, 5, 9, 9], [-9, 5, 9, 9]])
def test_boxes_without_area_inside_their_image(box):
    content = changed(lambda c: c["annotations"][1].update(bbox=box))
    _, (warning,) = check_annotations(content, ("ant", "bee"), "f.json")
    assert "1 of 2 boxes are left out" in warning and "annotation 2" in warning


@pytest.mark.parametrize(("text", "message"), [("{", "can't be read as JSON"), ("[]", "no list 'images'")])
def test_other_files(tmp_path, text, message):
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_annotations(str(tmp_path / "f.json"))


def test_images_are_looked_for_all_over_the_file(tmp_path):
    images = [{"file_name": f"{i}.jpg"} for i in range(1000)]
    for image in images[:500]:
        (tmp_path / image["file_name"]).touch()
    with pytest.raises(FileNotFoundError, match=r"3\d of 6\d images looked for are not in"):
        check_images(images, str(tmp_path), "f.json")
    check_images(images[:500], str(tmp_path), "f.json")
