"""Pictures as PNG files."""

import io

import numpy as np
from PIL import Image


def encode_png(picture: np.ndarray) -> bytes:
    """``(height, width, 3)`` uint8 RGB, or one channel ``(height, width)`` -> the content of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
