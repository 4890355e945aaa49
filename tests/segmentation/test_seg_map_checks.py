"""A data set's folders of images and masks."""

import pytest
from PIL import Image

from mirl_mm.datasets.seg_maps import SegMapRules
from mirl_mm.segmentation import seg_map_checks
from mirl_mm.segmentation.seg_map_checks import check_files, check_folders, check_seg_maps_exist, look_at_seg_maps


def write(folder, number: int, value: int = 1) -> tuple[list[str], list[str]]:
    """Images and masks of one value; their paths."""
    for name in ("images", "masks"):
        (folder / name).mkdir(exist_ok=True)
    images = [str(folder / f"images/{i}.jpg") for i in range(number)]
    masks = [str(folder / f"masks/{i}.png") for i in range(number)]
    for image, mask in zip(images, masks, strict=True):
        Image.new("RGB", (6, 4)).save(image)
        Image.new("L", (6, 4), value).save(mask)
    return images, masks


def test_folders(tmp_path):
    write(tmp_path, 1)
    check_folders(str(tmp_path), "images", "masks")
    check_folders("nowhere", str(tmp_path / "images"), None)
    with pytest.raises(FileNotFoundError, match="data_root 'nowhere' is no folder"):
        check_folders("nowhere", "images", "masks")
    with pytest.raises(FileNotFoundError, match=r"image folder '.*img/train' is missing; in .* folders images, masks"):
        check_folders(str(tmp_path), "img/train", "masks")
    with pytest.raises(
        FileNotFoundError, match=r"mask folder .*labels' is missing.*Set data_prefix=dict\(seg_map_path"
    ):
        check_folders(str(tmp_path), "images", "labels")


def test_files(tmp_path):
    images, masks = write(tmp_path, 3)
    folder = str(tmp_path / "images")
    check_files(images, folder, ".jpg")
    with pytest.raises(ValueError, match=r"no image that ends in '.png'; endings found: .jpg \(3\). Set img_suffix"):
        check_files([], folder, ".png")
    with pytest.raises(FileNotFoundError, match=r"1 of 4 images of the list are not in .*: x.jpg"):
        check_files([*images, "x.jpg"], folder, ".jpg")
    check_seg_maps_exist(images, masks, str(tmp_path / "masks"))


def test_images_without_masks(tmp_path):
    images, masks = write(tmp_path, 3)
    (tmp_path / "masks/1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 3 images have no mask. The first is '.*1.jpg', .*0.png, 2.png"):
        check_seg_maps_exist(images, masks, str(tmp_path / "masks"))
    for i in (0, 2):
        (tmp_path / f"masks/{i}.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"3 of 3 images have no mask.* there is no file. Add"):
        check_seg_maps_exist(images, masks, str(tmp_path / "masks"))


def test_a_small_data_set_is_checked_wholly(tmp_path):
    images, masks = write(tmp_path, 20)
    assert look_at_seg_maps(images, masks, SegMapRules(3)) is None
    Image.new("L", (6, 4), 9).save(masks[13])
    with pytest.raises(ValueError, match=r"masks/13.png' has the value 9 \(24 pixels\)"):
        look_at_seg_maps(images, masks, SegMapRules(3))


def test_of_a_large_one_some_are_read(tmp_path, monkeypatch):
    images, masks = write(tmp_path, 20)
    read = []
    count = seg_map_checks.count_seg_map
    monkeypatch.setattr(seg_map_checks, "count_seg_map", lambda i, m, rules: (read.append(m), count(i, m, rules))[1])
    look_at_seg_maps(images, masks, SegMapRules(3), number=4)
    assert sorted(read) == sorted(masks[i] for i in (0, 5, 10, 15))


def test_masks_without_labels(tmp_path):
    images, masks = write(tmp_path, 4)
    Image.new("L", (6, 4), 0).save(masks[2])
    rules = SegMapRules(3, reduce_zero_label=True)
    assert "1 of 4 masks looked at have no labelled pixel" in look_at_seg_maps(images, masks, rules)
    images, masks = write(tmp_path, 4, value=0)
    with pytest.raises(ValueError, match=r"4 of 4 masks looked at have no labelled pixel.*reduce_zero_label or ignore"):
        look_at_seg_maps(images, masks, rules)
