"""Every kind of image file as RGB, with and without simplejpeg; PIL is the reference."""

import io
import random

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from mirl_mm.datasets import CorruptImageError, decode, load_image
from tests.datasets.conftest import smooth_image


@pytest.fixture(autouse=True, params=["simplejpeg", "PIL"])
def _decoder(request, monkeypatch):
    if request.param == "PIL":
        monkeypatch.setattr(decode, "HAS_SIMPLEJPEG", False)
    else:
        pytest.importorskip("simplejpeg")


def as_array(path, **kwargs) -> np.ndarray:
    image = load_image(str(path), **kwargs)
    assert image.dtype == torch.uint8
    assert image.shape[0] == 3
    return image.permute(1, 2, 0).numpy()


def by_pil(path) -> np.ndarray:
    return np.array(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": 0},
        {"subsampling": 1},
        {"quality": 30},
        {"quality": 100},
        {"restart_marker_rows": 1},
    ],
)
def test_jpeg_is_what_pil_decodes(tmp_path, mode, options):
    for height, width in ((61, 83), (16, 32), (3, 1)):
        smooth_image(61, 83, mode=mode).crop((0, 0, width, height)).save(tmp_path / "a.jpg", **options)
        np.testing.assert_array_equal(as_array(tmp_path / "a.jpg"), by_pil(tmp_path / "a.jpg"))


def test_jpeg_that_holds_rgb(tmp_path):
    smooth_image().save(tmp_path / "a.jpg", keep_rgb=True)
    np.testing.assert_array_equal(as_array(tmp_path / "a.jpg"), by_pil(tmp_path / "a.jpg"))


def test_ordinary_jpegs_do_without_pil(request, tmp_path, monkeypatch):
    if "PIL" in request.node.name:
        pytest.skip("is about simplejpeg")
    smooth_image().save(tmp_path / "a.jpg")
    smooth_image(mode="L").save(tmp_path / "b.jpg")
    expected = by_pil(tmp_path / "a.jpg"), by_pil(tmp_path / "b.jpg")
    monkeypatch.delattr(decode, "_decode_any")
    for name, pixels in zip("ab", expected, strict=True):
        np.testing.assert_array_equal(as_array(tmp_path / f"{name}.jpg"), pixels)


def test_damage_is_judged_as_by_pil(tmp_path):
    """Bytes changed, lost, added, an end too early: the same files are refused, and the others have the same pixels."""
    chance = random.Random(0)
    refused = 0
    whole = []
    for progressive in (False, True):
        smooth_image(60, 80).save(buffer := io.BytesIO(), "JPEG", progressive=progressive, quality=90)
        whole.append(buffer.getvalue())
    for trial in range(120):
        data = bytearray(whole[trial % 3 == 0])
        if trial % 4 == 0:
            data[chance.randrange(2, len(data))] = chance.randrange(256)
        elif trial % 4 == 1:
            for _ in range(10):
                data[chance.randrange(len(data) // 2, len(data))] = chance.randrange(256)
        elif trial % 4 == 2:
            del data[-chance.randrange(1, 6) :]
        else:
            data[len(data) // 2 :] = b"\xff\xd9" + bytes(trial % 5)
        (tmp_path / "a.jpg").write_bytes(data)
        try:
            expected = by_pil(tmp_path / "a.jpg")
        except Exception:
            refused += 1
            with pytest.raises(CorruptImageError, match=r"a\.jpg"):
                load_image(str(tmp_path / "a.jpg"))
        else:
            np.testing.assert_array_equal(as_array(tmp_path / "a.jpg"), expected)
    assert 20 < refused < 100


@pytest.mark.parametrize(
    ("mode", "ending"), [("RGB", "png"), ("L", "png"), ("LA", "png"), ("1", "png"), ("CMYK", "tif"), ("RGB", "webp")]
)
def test_other_formats_are_what_pil_decodes(tmp_path, mode, ending):
    smooth_image().convert("L" if mode in ("LA", "1") else "RGB").convert(mode).save(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(as_array(tmp_path / f"a.{ending}"), by_pil(tmp_path / f"a.{ending}"))


def test_greyscale_has_three_equal_channels(tmp_path):
    smooth_image(mode="L").save(tmp_path / "a.jpg")
    image = as_array(tmp_path / "a.jpg")
    assert (image == image[..., :1]).all()
    assert image.std() > 10


def test_alpha_is_dropped_not_blended(tmp_path):
    rgb = smooth_image()
    rgba = rgb.copy()
    rgba.putalpha(smooth_image(seed=1, mode="L"))
    rgba.save(tmp_path / "a.png")
    np.testing.assert_array_equal(as_array(tmp_path / "a.png"), np.array(rgb))


def test_palette_with_transparency(tmp_path, recwarn):
    palette = smooth_image().quantize(16)
    palette.save(tmp_path / "a.png", transparency=bytes(range(0, 256, 16)))
    np.testing.assert_array_equal(as_array(tmp_path / "a.png"), np.array(palette.convert("RGB")))
    assert not [warning for warning in recwarn if "ransparency" in str(warning.message)]


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_16_bits_are_scaled_not_clipped(tmp_path, ending):
    wide = np.linspace(0, 65535, 60 * 80).reshape(60, 80).astype(np.uint16)
    Image.fromarray(wide).save(tmp_path / f"a.{ending}")
    image = as_array(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(image[..., 0], np.round(wide / 257).astype(np.uint8))
    assert (image == image[..., :1]).all()


def test_floating_point_is_refused(tmp_path):
    Image.fromarray(np.random.default_rng(0).random((8, 8), dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(CorruptImageError, match=r"a\.tif.*convert the file to 8 bits"):
        load_image(str(tmp_path / "a.tif"))


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_exif_orientation_on_request_only(tmp_path, ending):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    path = tmp_path / f"a.{ending}"
    smooth_image(60, 80).save(path, exif=exif)
    assert as_array(path).shape == (60, 80, 3)
    np.testing.assert_array_equal(as_array(path, exif=True), np.rot90(as_array(path), -1))


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("orientation", range(10))
def test_every_exif_orientation(tmp_path, orientation, endian):
    exif = Image.Exif()
    exif.endian = endian
    exif[0x0112] = orientation
    smooth_image(60, 80).save(tmp_path / "a.jpg", exif=exif.tobytes())
    expected = np.array(ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg")))
    np.testing.assert_array_equal(as_array(tmp_path / "a.jpg", exif=True), expected)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01"]
)
def test_broken_exif_turns_nothing(tmp_path, exif):
    smooth_image().save(tmp_path / "a.jpg", exif=exif)
    np.testing.assert_array_equal(as_array(tmp_path / "a.jpg", exif=True), by_pil(tmp_path / "a.jpg"))


def test_the_ending_plays_no_part(tmp_path):
    smooth_image().save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(as_array(tmp_path / "a.jpg"), np.array(smooth_image()))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("keep", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_truncated_jpeg(tmp_path, mode, keep, progressive):
    path = tmp_path / "broken.jpg"
    smooth_image(200, 200, mode=mode).save(path, quality=95, progressive=progressive)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(CorruptImageError, match=r"broken\.jpg"):
        load_image(str(path))


@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_other_truncated_formats(tmp_path, ending):
    path = tmp_path / f"broken.{ending}"
    smooth_image(200, 200).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CorruptImageError, match=rf"broken\.{ending}"):
        load_image(str(path))


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
def test_not_an_image(tmp_path, content):
    (tmp_path / "text.jpg").write_bytes(content)
    message = r"cannot read image '.*text\.jpg': \d+ bytes of no format that PIL knows"
    with pytest.raises(CorruptImageError, match=message):
        load_image(str(tmp_path / "text.jpg"))


def test_missing_file(tmp_path):
    with pytest.raises(CorruptImageError, match=r"gone\.jpg.*FileNotFoundError"):
        load_image(str(tmp_path / "gone.jpg"))
