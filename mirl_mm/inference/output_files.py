"""The files into which pictures and masks go."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mirl_mm.outputs import Outputs, source_of


def checked_outputs(
    maker: str, paths: Sequence[Path], images: Sequence[np.ndarray | str], each: bool = True
) -> Outputs:
    """PNG files that may be written, one for each image, or of all together, which the same run of others replaces.

    Raises:
        OutputError: If one may not.
    """
    sources: Iterable[str] = map(source_of, images) if each else [""] * len(paths)
    return Outputs(maker, dict(zip(paths, sources, strict=True)), [image for image in images if isinstance(image, str)])


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
