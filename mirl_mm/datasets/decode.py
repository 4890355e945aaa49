"""Image files to RGB tensors: libjpeg-turbo through simplejpeg for ordinary JPEGs, PIL for everything else.

Where simplejpeg is missing, PIL decodes those as well: the same pixels, later. ``docs/data.md`` has the measurements
behind the choice. What is known of a file without decoding it, its size and how it is turned, is found out here, too,
for every room alike.
"""

import io
import os
import warnings
from typing import IO

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from PIL.Image import Transpose
from torch import Tensor

try:
    from simplejpeg import decode_jpeg, decode_jpeg_header

    HAS_SIMPLEJPEG = True
except ImportError:  # no wheel for this platform
    HAS_SIMPLEJPEG = False

from mirl_mm.errors import CorruptImageError
from mirl_mm.limits import max_pixels

_JPEG_START = b"\xff\xd8\xff"
_ORIENTATION = 0x0112
#: What brings an image of an EXIF orientation upright; 5 to 8 exchange rows and columns.
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_EXCHANGED = (5, 6, 7, 8)


class ImageTooLargeError(CorruptImageError):
    """An image of more pixels than are read."""


def load_image(path: str, exif: bool = False) -> Tensor:
    """Reads an image file of any mode PIL knows as RGB.

    Alpha is dropped, as by PIL's ``convert("RGB")`` and so by torchvision's ``ImageFolder``. 16-bit greyscale is scaled
    to 8 bits (PIL would clip it).

    Args:
        path: The file; its extension plays no part.
        exif: Whether to turn the image as its EXIF orientation says. ImageNet practice is not to.

    Returns:
        (3, H, W) uint8, not necessarily contiguous.

    Raises:
        CorruptImageError: Unreadable, truncated, not an image, or too large; names the file and what the decoder said.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
        image = _decode_jpeg(data, exif)
        return _decode_any(data, exif) if image is None else image
    except UnidentifiedImageError as error:  # its own words are the address of a buffer
        raise CorruptImageError(f"cannot read image '{path}': {len(data)} bytes of no format that PIL knows") from error
    except Exception as error:  # decoders raise nearly every type there is: OSError, SyntaxError, struct.error, ...
        raise _unreadable("image", path, error) from error


def _unreadable(what: str, path: str | os.PathLike[str], error: Exception) -> CorruptImageError:
    """The error for a file, of what a decoder raised."""
    if isinstance(error, ImageTooLargeError):
        return ImageTooLargeError(f"cannot read {what} '{path}': {error}")
    if isinstance(error, UnidentifiedImageError):  # its own words are the address of a buffer, or the path again
        return CorruptImageError(f"cannot read {what} '{path}': of no format that PIL knows")
    return CorruptImageError(f"cannot read {what} '{path}': {type(error).__name__}: {error}")


def open_image(source: str | os.PathLike[str] | IO[bytes]) -> Image.Image:
    """A file as PIL opens it, of any size up to :func:`mirl_mm.limits.max_pixels`.

    PIL's own limit is 179 megapixels. It is raised to ours, for as long as the process runs.

    Raises:
        ImageTooLargeError: If it has more pixels.
        Exception: What PIL raises.
    """
    limit = max_pixels()
    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, limit)
    image = Image.open(source)
    try:
        _check_pixels(image.height, image.width, limit)
    except ImageTooLargeError:
        image.close()
        raise
    return image


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(H, W) of an image as it is loaded for detection and segmentation, :func:`upright`. Reads no pixels.

    Raises:
        FileNotFoundError: If there is no such file.
        CorruptImageError: If it is no image, or too large.
    """
    try:
        with open_image(path) as image:
            # PIL exchanges the sides of a turned TIFF file itself, or doesn't, depending on its version.
            width, height = (image.tag_v2[256], image.tag_v2[257]) if image.format == "TIFF" else image.size
            return (width, height) if orientation(image) in _EXCHANGED else (height, width)
    except FileNotFoundError:
        raise
    except Exception as error:  # PIL's readers raise nearly every type there is
        raise _unreadable("image", path, error) from error


def orientation(image: Image.Image) -> int:
    """How an opened file is turned, 1 to 8 as EXIF counts; 1, upright, where it does not say, or says it brokenly.

    That is what OpenCV and browsers show. What XMP says does not count: PIL heeds it, they do not.
    """
    for key in ("XML:com.adobe.xmp", "xmp", "Raw profile type xmp"):
        image.info.pop(key, None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broken EXIF
            value = image.getexif().get(_ORIENTATION)
    except Exception:  # PIL's readers raise nearly every type there is
        return 1
    return value if value in _TURNS else 1


def open_upright(path: str | os.PathLike[str], what: str = "image") -> Image.Image:
    """A file's picture, read and :func:`upright`; ``what`` is its name in messages.

    Raises:
        FileNotFoundError: If there is no such file.
        CorruptImageError: If it can't be decoded, or is too large.
    """
    try:
        with open_image(path) as image:
            return upright(image)
    except FileNotFoundError:
        raise
    except Exception as error:  # PIL's readers raise nearly every type there is
        raise _unreadable(what, path, error) from error


def upright(image: Image.Image) -> Image.Image:
    """An opened file turned as its EXIF orientation says."""
    image.load()  # which turns TIFF files
    turn = _TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def _check_pixels(height: int, width: int, limit: int) -> None:
    if height * width > limit:
        raise ImageTooLargeError(
            f"{height:,} x {width:,} pixels (rows x columns) are {height * width:,}, and {limit:,} are the most that "
            "is read: if it is meant to be so large, set the environment variable MIRL_MM_MAX_PIXELS to more"
        )


def _decode_jpeg(data: bytes, exif: bool) -> Tensor | None:
    """(3, H, W) uint8, or None where PIL has to look: no JPEG, CMYK, or something libjpeg stumbled over."""
    if not HAS_SIMPLEJPEG or not data.startswith(_JPEG_START):
        return None
    limit = max_pixels()
    try:
        height, width, colours, _ = decode_jpeg_header(data)
        _check_pixels(height, width, limit)
        if colours in ("CMYK", "YCCK"):  # PIL has a formula of its own
            return None
        pixels = decode_jpeg(data, "RGB")
    except ValueError:  # PIL has the last word, so that what counts as corrupt is the same on both paths
        return None
    if exif:
        with open_image(io.BytesIO(data)) as opened:
            turn = _TURNS.get(orientation(opened))
        if turn is not None:
            pixels = np.array(Image.fromarray(pixels).transpose(turn))
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _decode_any(data: bytes, exif: bool) -> Tensor:
    """(3, H, W) uint8 by PIL; of an animation, the first frame."""
    with open_image(io.BytesIO(data)) as opened:
        image = opened
        image.load()
        if exif:
            image = upright(image)
        if image.mode == "I" or image.mode.startswith("I;16"):
            pixels = _to_8_bits(np.asarray(image))
            return torch.from_numpy(pixels).repeat(3, 1, 1)
        if image.mode == "F":
            raise ValueError("floating-point pixels have no agreed range; convert the file to 8 bits")
        if image.mode == "P":  # straight to RGB, PIL warns of transparency and drops it all the same
            image = image.convert("RGBA")
        pixels = np.array(image.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _to_8_bits(pixels: np.ndarray) -> np.ndarray:
    """(H, W) integers in 0..65535, to the nearest of 0..255 in uint8."""
    wide = pixels.astype(np.int64)
    low, high = int(wide.min()), int(wide.max())
    if low < 0 or high > 65535:
        raise ValueError(f"pixel values {low}..{high} go beyond 16 bits; convert the file to 8 bits")
    return ((wide * 255 + 32767) // 65535).astype(np.uint8)
