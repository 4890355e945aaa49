"""Image files to RGB tensors: libjpeg through torchvision for ordinary JPEGs, PIL for everything else.

``docs/data.md`` has the measurements behind the choice.
"""

import io

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg

_JPEG_START = b"\xff\xd8\xff"


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
        data = np.fromfile(path, dtype=np.uint8)
        image = _decode_jpeg(data, exif)
        return _decode_any(data, exif) if image is None else image
    except UnidentifiedImageError as error:  # its own words are the address of a buffer
        raise CorruptImageError(f"cannot read image '{path}': {data.size} bytes of no format that PIL knows") from error
    except Exception as error:  # decoders raise nearly every type there is: OSError, SyntaxError, struct.error, ...
        raise CorruptImageError(f"cannot read image '{path}': {type(error).__name__}: {error}") from error


def _decode_jpeg(data: np.ndarray, exif: bool) -> Tensor | None:
    """(3, H, W) uint8, or None where PIL has to look: no JPEG, CMYK, or something libjpeg stumbled over."""
    if data[:3].tobytes() != _JPEG_START:
        return None
    try:
        image = decode_jpeg(torch.from_numpy(data), ImageReadMode.UNCHANGED, apply_exif_orientation=exif)
    except RuntimeError:  # PIL has the last word, so that what counts as corrupt is the same on both paths
        return None
    if image.shape[0] == 1:
        return image.repeat(3, 1, 1)
    return image if image.shape[0] == 3 else None


def _decode_any(data: np.ndarray, exif: bool) -> Tensor:
    """(3, H, W) uint8 by PIL; of an animation, the first frame."""
    with Image.open(io.BytesIO(data.tobytes())) as opened:
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
