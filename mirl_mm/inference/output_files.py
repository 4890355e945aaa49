"""The files into which pictures and masks go."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mirl_mm.outputs import Outputs, source_of


def outputs_of_images(maker: str, images: Sequence[np.ndarray | str], out_dir: str | Path) -> Outputs:
    """A PNG file for each image, which may be written: see :func:`image_paths`.

    Raises:
        OutputError: If one may not.
    """
    sources = dict(zip(image_paths(out_dir, images), map(source_of, images), strict=True))
    return Outputs(maker, sources, [each for each in images if isinstance(each, str)])


def outputs_of_all(maker: str, paths: Sequence[Path], images: Sequence[np.ndarray | str]) -> Outputs:
    """PNG files of all images together, which may be written; the same run of others replaces them.

    Raises:
        OutputError: If one may not.
    """
    return Outputs(maker, dict.fromkeys(paths, ""), [each for each in images if isinstance(each, str)])


def image_paths(out_dir: str | Path, inputs: Sequence[np.ndarray | str]) -> list[Path]:
    """A PNG file for each image: its name, numbered where two would be the same."""
    taken: set[str] = set()
    paths = []
    for i, image in enumerate(inputs):
        stem = Path(image).stem if isinstance(image, str) else f"image_{i}"
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        paths.append(Path(out_dir) / f"{name}.png")
    return paths


def picture_paths(out_dir: str | Path, stem: str, num_images: int, per_picture: int) -> list[Path]:
    """The files into which pictures of so many images go: ``<stem>.png``, or numbered ones if there are several."""
    count = -(-num_images // per_picture)
    numbers = [f"_{i:0{len(str(count))}d}" for i in range(1, count + 1)] if count > 1 else [""]
    return [Path(out_dir) / f"{stem}{number}.png" for number in numbers]
