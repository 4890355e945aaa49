"""Image files to RGB tensors: libjpeg-turbo through simplejpeg for ordinary JPEGs, PIL for everything else.

Where simplejpeg is missing, PIL decodes those as well: the same pixels, later. ``docs/data.md`` has the measurements
behind the choice.
"""

import io

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

try:
    from simplejpeg import decode_jpeg, decode_jpeg_header

    HAS_SIMPLEJPEG = True
except ImportError:  # no wheel for this platform
    HAS_SIMPLEJPEG = False

_JPEG_START = b"\xff\xd8\xff"
# By EXIF's orientation: whether rows and columns change places, and the dimensions of (3, H, W) that are then reversed.
_TURNS = {
    2: (False, (2,)),
    3: (False, (1, 2)),
    4: (False, (1,)),
    5: (True, ()),
    6: (True, (2,)),
    7: (True, (1, 2)),
    8: (True, (1,)),
}


class CorruptImageError(RuntimeError):
    """A file that is there but can't be turned into an image, or can't be read."""


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
        CorruptImageError: Unreadable, truncated or not an image; names the file and what the decoder said.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
        image = _decode_jpeg(data, exif)
        return _decode_any(data, exif) if image is None else image
    except UnidentifiedImageError as error:  # its own words are the address of a buffer
        raise CorruptImageError(f"cannot read image '{path}': {len(data)} bytes of no format that PIL knows") from error
    except Exception as error:  # decoders raise nearly every type there is: OSError, SyntaxError, struct.error, ...
        raise CorruptImageError(f"cannot read image '{path}': {type(error).__name__}: {error}") from error


def _decode_jpeg(data: bytes, exif: bool) -> Tensor | None:
    """(3, H, W) uint8, or None where PIL has to look: no JPEG, CMYK, or something libjpeg stumbled over."""
    if not HAS_SIMPLEJPEG or not data.startswith(_JPEG_START):
        return None
    try:
        if decode_jpeg_header(data)[2] in ("CMYK", "YCCK"):  # PIL has a formula of its own
            return None
        pixels = decode_jpeg(data, "RGB")
    except ValueError:  # PIL has the last word, so that what counts as corrupt is the same on both paths
        return None
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    return _turn(image, _orientation(data)) if exif else image


def _orientation(data: bytes) -> int:
    """A JPEG's EXIF orientation, 1..8; 1, upright, where there is none or it can't be read."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            exif = Image.Exif()
            exif.load(opened.info.get("exif", b""))
            return exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # cameras write strange things, and a picture without is better than none
        return 1


def _turn(image: Tensor, orientation: int) -> Tensor:
    """Makes a picture upright."""
    transposed, reversed_dims = _TURNS.get(orientation, (False, ()))
    return (image.transpose(1, 2) if transposed else image).flip(reversed_dims)


def _decode_any(data: bytes, exif: bool) -> Tensor:
    """(3, H, W) uint8 by PIL; of an animation, the first frame."""
    with Image.open(io.BytesIO(data)) as opened:
        image: Image.Image = opened
        image.load()
        if exif:
            image = ImageOps.exif_transpose(image)
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
