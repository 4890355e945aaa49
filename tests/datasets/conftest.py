from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter


def smooth_image(height: int = 60, width: int = 80, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """Random blobs, about as smooth as a photo, so that JPEG and resizing behave as usual."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2))
    low, high = int(np.min(blurred)), int(np.max(blurred))
    return blurred.point(lambda value: (value - low) * 255 / (high - low)).convert(mode)


@pytest.fixture
def labelled(tmp_path) -> Path:
    """Three classes of 2, 3 and 4 JPEGs below ``data/train``."""
    root = tmp_path / "data"
    seed = 0
    for count, name in ((2, "ant"), (3, "bee"), (4, "cat")):
        folder = root / "train" / name
        folder.mkdir(parents=True)
        for number in range(count):
            smooth_image(seed=(seed := seed + 1)).save(folder / f"{number}.jpg", quality=90)
    return root
