"""Segmentation maps: what their values mean, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from mirl_mm.datasets import CorruptImageError
from mirl_mm.datasets.seg_maps import SegMapRules, check_size, count_seg_map, read_seg_map


def save(path, values, mode: str | None = None) -> str:
    picture = Image.fromarray(np.asarray(values))
    (picture if mode is None else picture.convert(mode)).save(path)
    return str(path)


@pytest.mark.parametrize(
    ("rules", "values", "labels"),
    [
        (SegMapRules(3), [0, 1, 2, 255], [0, 1, 2, 255]),
        (SegMapRules(3, reduce_zero_label=True), [0, 1, 2, 3, 255], [255, 0, 1, 2, 255]),
        (SegMapRules(3, ignore_index=7), [0, 2, 7], [0, 2, 255]),
        (SegMapRules(3, ignore_index=0), [0, 1, 2], [255, 1, 2]),
        (SegMapRules(3, ignore_index=65535), [0, 2, 65535], [0, 2, 255]),
        (SegMapRules(255), [0, 254, 255], [0, 254, 255]),
    ],
)
def test_labels(rules, values, labels):
    found = rules.labels(np.array([values], dtype=np.uint16), "a.png")
    assert found.dtype == np.uint8 and found.tolist() == [labels]


@pytest.mark.parametrize(
    ("rules", "values", "message"),
    [
        (
            SegMapRules(3),
            [0, 3, 3, 255],
            r"mask 'a.png' has the value 3 \(2 pixels\), outside of the classes: the 3 clas",
        ),
        (SegMapRules(3), [4, 3], r"has the values 3 \(1 pixel\), 4 \(1 pixel\), outside"),
        (SegMapRules(3, True), [4], r"the 3 classes have the values 1 to 3, and 0 and 255 mean no label"),
        (SegMapRules(3, ignore_index=0), [3], r"the values 0 to 2, and 0 mean no label \(reduce_zero_label=False"),
        (SegMapRules(2), list(range(20)), r"6 \(1 pixel\) and 13 more, outside"),
    ],
)
def test_values_outside_of_the_classes(rules, values, message):
    with pytest.raises(ValueError, match=message):
        rules.labels(np.array([values], dtype=np.uint8), "a.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "1 to 255 classes, got 0"),
        ({"num_classes": 256}, "1 to 255 classes, got 256"),
        ({"num_classes": 3, "ignore_index": -1}, "from 0 to 65535, got -1"),
    ],
)
def test_bad_rules(options, message):
    with pytest.raises(ValueError, match=message):
        SegMapRules(**options)


def test_reads_numbers_whatever_the_kind_of_picture(tmp_path):
    values = np.array([[0, 1], [2, 5]], dtype=np.uint8)
    palette = Image.fromarray(values)
    palette.putpalette([50, 0, 0] * 256)
    palette.save(tmp_path / "palette.png")
    assert palette.mode == "P"
    for path in (save(tmp_path / "grey.png", values), tmp_path / "palette.png"):
        assert read_seg_map(str(path)).tolist() == values.tolist()
    wide = read_seg_map(save(tmp_path / "wide.png", values.astype(np.uint16) * 1000))
    assert wide.dtype == np.uint16 and wide.max() == 5000
    assert read_seg_map(save(tmp_path / "two.png", values > 0)).tolist() == [[0, 1], [1, 1]]


def test_no_mask_at_all(tmp_path):
    path = save(tmp_path / "colours.png", np.zeros((4, 4, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"colours.png' is a picture of mode RGB, and a mask has one value"):
        read_seg_map(path)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(CorruptImageError, match=r"cannot read mask '.*text.png'"):
        read_seg_map(str(tmp_path / "text.png"))
    with pytest.raises(FileNotFoundError):
        read_seg_map(str(tmp_path / "none.png"))


def test_counts(tmp_path):
    image = save(tmp_path / "a.jpg", np.zeros((2, 3, 3), dtype=np.uint8))
    counts = count_seg_map(
        image, save(tmp_path / "a.png", np.array([[0, 1, 1], [3, 0, 255]], dtype=np.uint8)), SegMapRules(3, True)
    )
    assert counts.pixels.tolist() == [2, 0, 1] and counts.ignored == 3
    with pytest.raises(ValueError, match=r"b.png' has 3 x 2 pixels \(rows x columns\), its image .*a.jpg' 2 x 3"):
        count_seg_map(image, save(tmp_path / "b.png", np.zeros((3, 2), dtype=np.uint8)), SegMapRules(3))
    check_size((2, 3), (2, 3), "", "")
