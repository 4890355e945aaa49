"""An image's size and how it is turned: one meaning, that of OpenCV, which detection and segmentation read with."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from mirl_mm.datasets.decode import ImageTooLargeError, image_size, load_image, upright
from mirl_mm.datasets.seg_maps import SegMapRules, count_seg_map, read_seg_map
from mirl_mm.errors import CorruptImageError

FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF"}


def as_loaded(path):
    """As mmcv loads it, of bytes: ``imread`` stumbles over turned TIFF files."""
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)


def photo(path, turned=1, exif=None, size=(64, 48), **more):
    """64 wide and 48 high as it is stored, white at its upper left."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:10, :20] = 255
    if exif is None:
        exif = Image.Exif()
        exif[0x0112] = turned
    Image.fromarray(pixels).save(path, FORMATS[path.suffix[1:]], exif=exif, **more)
    return str(path)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("turned", range(1, 9))
def test_as_opencv_and_we_load_it(tmp_path, ending, turned):
    path = photo(tmp_path / f"a.{ending}", turned)
    seen = as_loaded(path)
    assert image_size(path) == seen.shape[:2] == ((64, 48) if turned > 4 else (48, 64))
    ours = load_image(path, exif=True).permute(1, 2, 0).numpy()
    assert ours.shape == seen.shape and np.abs(ours.astype(int) - seen).max() <= 3


GARBAGE = [
    b"",
    b"\xff" * 40,
    b"no TIFF header at all",
    b"MM\0*\0\0\0\x08\0\x05",  # five entries, none there
    b"II*\0\xff\xff\xff\x7f",  # a table beyond the end
    b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHI4s", 0x0112, 2, 2, b"6\0\0\0"),  # a text for a number
    b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, 77, 0),  # no such orientation
]


@pytest.mark.parametrize("rest", GARBAGE)
def test_broken_exif_is_none(tmp_path, rest):
    path = photo(tmp_path / "a.jpg", exif=b"Exif\0\0" + rest)
    assert image_size(path) == as_loaded(path).shape[:2] == (48, 64)
    assert load_image(path, exif=True).shape == (3, 48, 64)
    with Image.open(path) as image:
        assert upright(image).size == (64, 48)


def test_what_xmp_says_does_not_count(tmp_path):
    """PIL would turn it, OpenCV and browsers do not."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    path = photo(tmp_path / "a.jpg", exif=b"", xmp=xmp)
    assert image_size(path) == as_loaded(path).shape[:2] == (48, 64)


def test_a_mask_is_as_the_photo_is_shown(tmp_path):
    image, mask = photo(tmp_path / "a.jpg", 6), tmp_path / "a.png"
    Image.new("L", (48, 64), 1).save(mask)
    assert count_seg_map(image, str(mask), SegMapRules(2)).pixels.tolist() == [0, 48 * 64]
    Image.new("L", (64, 48), 1).save(mask)
    with pytest.raises(ValueError, match="as its EXIF orientation turns it: as it is shown"):
        count_seg_map(image, str(mask), SegMapRules(2))
    exif = Image.Exif()
    exif[0x0112] = 6  # of a tool that copies the photo's
    Image.new("L", (64, 48), 1).save(mask, exif=exif)
    assert read_seg_map(str(mask)).shape == (64, 48)


def test_one_limit_for_all(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # PIL alone would refuse more than 20
    jpeg, png = photo(tmp_path / "a.jpg"), photo(tmp_path / "a.png")
    for path in (jpeg, png):
        assert load_image(path).shape == (3, 48, 64) and image_size(path) == (48, 64)
    Image.new("L", (64, 48)).save(tmp_path / "mask.png")
    assert read_seg_map(str(tmp_path / "mask.png")).shape == (48, 64)
    monkeypatch.setenv("MIRL_MM_MAX_PIXELS", str(48 * 64 - 1))
    message = r"48 x 64 pixels \(rows x columns\) are 3,072, and 3,071 are the most .* MIRL_MM_MAX_PIXELS to more"
    for read, path in (
        (load_image, jpeg),
        (load_image, png),
        (image_size, jpeg),
        (read_seg_map, tmp_path / "mask.png"),
    ):
        with pytest.raises(ImageTooLargeError, match=message) as caught:
            read(str(path))
        assert str(path) in str(caught.value)
    monkeypatch.setenv("MIRL_MM_MAX_PIXELS", "many")
    with pytest.raises((ValueError, CorruptImageError), match="MIRL_MM_MAX_PIXELS is a number of pixels"):
        load_image(png)


def test_a_small_file_that_says_it_is_huge(tmp_path):
    """The header alone would have libjpeg make room for 12 GB."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "JPEG")
    data = buffer.getvalue()
    at = data.index(b"\xff\xc0") + 5
    (tmp_path / "bomb.jpg").write_bytes(data[:at] + struct.pack(">HH", 65500, 65500) + data[at + 4 :])
    with pytest.raises(ImageTooLargeError, match="65,500 x 65,500 pixels"):
        load_image(str(tmp_path / "bomb.jpg"))
