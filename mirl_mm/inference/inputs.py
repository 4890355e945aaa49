"""What an inferencer may be given: arrays, files, folders, globs."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mirl_mm.datasets.checks import no_images
from mirl_mm.datasets.directory_scan import find_files
from mirl_mm.datasets.image_folder import EXTENSIONS

Image = np.ndarray | str | Path
Images = Image | Sequence[Image]


def expand(inputs: Images) -> list[np.ndarray | str]:
    """All images that are meant, in order; those of a folder or a glob sorted by path.

    Args:
        inputs: An image ``(H, W, 3)`` uint8 RGB, a path, a folder (with its sub-folders), a glob such as
            ``photos/**/*.jpg``, or a list of these.

    Raises:
        FileNotFoundError: For a path or glob that matches no file.
        ValueError: For a folder without images, an array of another shape or type, or an empty list.
    """
    if isinstance(inputs, (np.ndarray, str, Path)):
        inputs = [inputs]
    images: list[np.ndarray | str] = []
    for item in inputs:
        images += [_checked(item)] if isinstance(item, np.ndarray) else _files(os.fspath(item))
    if not images:
        raise ValueError("no images given: an empty list")
    return images


def given_folders(inputs: Images) -> list[str]:
    """All files of each folder that is given, as a pattern: see :func:`mirl_mm.outputs.keep_apart`."""
    items = [inputs] if isinstance(inputs, (np.ndarray, str, Path)) else inputs
    paths = [os.fspath(item) for item in items if not isinstance(item, np.ndarray)]
    return [os.path.join(path, "*") for path in paths if os.path.isdir(path)]


def _checked(image: np.ndarray) -> np.ndarray:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"an image array must be (H, W, 3) uint8, in RGB order; got {image.shape} {image.dtype}")
    return image


def _files(path: str) -> list[str]:
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        found = list(map(str, find_files(path, EXTENSIONS)))
        if not found:
            raise no_images(path, EXTENSIONS)
        return found
    found = sorted(name for name in glob.glob(path, recursive=True) if os.path.isfile(name))
    if not found:
        kind = "files match the glob" if glob.has_magic(path) else "image, folder or glob"
        raise FileNotFoundError(f"no {kind} {path!r} (looked from {os.getcwd()!r})")
    return found
