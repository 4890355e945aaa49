"""Images for the parts that load them: noise of all scales, as hard on a JPEG decoder as photos are."""

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from filelock import FileLock
from PIL import Image

from mirl_mm.cpu_info import cpu_count
from mirl_mm.shapes import generate

#: (H, W) of ImageNet's usual image.
SIZE = (375, 500)
#: Class folders.
CLASSES = 10


def image_folder(folder: Path, number: int, names: int) -> Path:
    """A folder of JPEGs in ``train/<class>``; made once, whichever process comes first.

    Args:
        folder: To make.
        number: Of different images.
        names: Of files: an image has several, so that an epoch is long enough. They share the disk's blocks.
    """
    with FileLock(f"{folder}.lock"):
        done = folder / f"{number}-{names}"
        if not done.exists():
            for label in range(CLASSES):
                (folder / "train" / f"{label}").mkdir(parents=True, exist_ok=True)
            with ProcessPoolExecutor(cpu_count(), mp_context=get_context("fork")) as pool:
                list(pool.map(partial(write_images, folder, number, names), range(number), chunksize=8))
            done.touch()
    return folder


def write_images(folder: Path, number: int, names: int, index: int) -> None:
    """Image ``index`` under all of its names: some 105 kB, as ImageNet's are on average (138 GB of 1.28 million)."""
    rng = np.random.default_rng(index)
    height, width = SIZE
    total = np.zeros((height, width, 3), np.float32)
    for cell in (1, 2, 4, 8, 16, 32, 64, 128):  # pixels
        coarse = rng.normal(size=(height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        channels = [Image.fromarray(coarse[..., c]).resize((width, height), Image.Resampling.BICUBIC) for c in range(3)]
        total += cell**0.25 * np.stack([np.asarray(channel) for channel in channels], axis=2)
    pixels = np.clip(128 + 16 * total, 0, 255).astype(np.uint8)
    files = [folder / "train" / f"{i % CLASSES}" / f"{i:06d}.jpg" for i in range(index, names, number)]
    Image.fromarray(pixels).save(files[0], quality=90)
    for file in files[1:]:
        file.unlink(missing_ok=True)
        os.link(files[0], file)


def shapes(folder: Path, number: int, side: int) -> Path:
    """Generated scenes in COCO's and ADE20K's layouts."""
    size = (side, side)
    return generate(
        folder, num_train=number, num_val=0, size=size, layouts=("coco", "ade"), workers=min(8, cpu_count())
    )
