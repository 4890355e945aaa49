"""What is common to all conversions: a COCO file that grows image by image, and what to do with what is wrong."""

import contextlib
import io
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mirl_mm.datasets.decode import image_size
from mirl_mm.datasets.text_files import TextError
from mirl_mm.errors import CorruptImageError
from mirl_mm.file_backend import json_bytes, whole_file

Box = tuple[float, float, float, float]


class AnnotationError(ValueError):
    """Something in a data set that can't be converted; names the file and what is wrong in it."""


class Problems:
    """Stops at what can't be converted, or leaves it out and remembers it.

    Args:
        on_error: ``"stop"`` or ``"skip"``.

    Raises:
        ValueError: For another word.
    """

    def __init__(self, on_error: str) -> None:
        if on_error not in ("stop", "skip"):
            raise ValueError(f"on_error must be 'stop' or 'skip', got {on_error!r}")
        self.skips = on_error == "skip"
        self.skipped: list[str] = []

    @contextlib.contextmanager
    def tolerated(self, where: str = "") -> Iterator[None]:
        """What is converted in this context is one thing, left out as a whole.

        Args:
            where: What that is, before what is wrong with it.

        Raises:
            AnnotationError: With the remedy, unless such things are skipped.
        """
        try:
            yield
        except (AnnotationError, TextError) as error:
            remedy = ". Correct it, or leave out all that is wrong by on_error='skip' (--on-error skip)"
            if str(error).endswith(remedy):  # from a context within this one
                raise
            text = f"{where}: {error}" if where else str(error)
            if not self.skips:
                raise AnnotationError(f"{text}{remedy}") from error
            self.skipped.append(text)


class CocoBuilder:
    """A COCO annotation file in the making.

    Category ids count from 1 in the order of the classes, image and annotation ids in the order of their adding
    (pycocotools takes annotation 0 for "not matched").

    Args:
        classes: Names.
        description: Goes into the file's ``info``.

    Raises:
        AnnotationError: If a name is empty or there twice, or there is none.
    """

    def __init__(self, classes: Sequence[str], description: str = "") -> None:
        twice = [name for name, count in Counter(classes).items() if count > 1 or not name]
        if twice or not classes:
            raise AnnotationError(
                f"class names must differ and not be empty, got {', '.join(map(repr, twice)) or 'none'}"
            )
        self.classes = tuple(classes)
        self.description = description
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.clipped = 0

    def add_image(self, file_name: str, size: tuple[int, int]) -> None:
        """Begin an image, to which what is added then belongs.

        Args:
            file_name: Its path relative to the data set's folder.
            size: (H, W) in pixels.
        """
        height, width = size
        self.images.append({"id": len(self.images) + 1, "file_name": file_name, "height": height, "width": width})

    def add_box(self, label: int, box: Box, crowd: bool = False) -> None:
        """Add an object without mask.

        Args:
            label: Number of its class, from 0.
            box: (x1, y1, x2, y2) in pixels, edges counted from the image's top left corner.
            crowd: Whether it counts neither as found nor as missed.

        Raises:
            AnnotationError: If the box has no area or lies outside the image. One that juts out is clipped.
        """
        x1, y1, x2, y2 = self._clip(box)
        self.add_mask(label, (x1, y1, x2, y2), (x2 - x1) * (y2 - y1), None, crowd)

    def add_polygon(self, label: int, points: Sequence[tuple[float, float]]) -> None:
        """Add an object with the mask within a polygon; its box is the polygon's.

        Raises:
            AnnotationError: As :meth:`add_box`.
        """
        width, height = self.images[-1]["width"], self.images[-1]["height"]
        xs, ys = zip(*points, strict=True)
        self._clip((min(xs), min(ys), max(xs), max(ys)))
        xs = tuple(min(max(x, 0.0), width) for x in xs)
        ys = tuple(min(max(y, 0.0), height) for y in ys)
        area = abs(sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))) / 2  # shoelace formula
        if area == 0:
            raise AnnotationError(f"a polygon of {len(xs)} points has no area")
        flat = [round(value, 2) for point in zip(xs, ys, strict=True) for value in point]
        self.add_mask(label, (min(xs), min(ys), max(xs), max(ys)), area, [flat])

    def add_mask(self, label: int, box: Box, area: float, mask: Any, crowd: bool = False) -> None:
        """Add an object with a mask of run lengths, as it is.

        Args:
            label: Number of its class, from 0.
            box: (x1, y1, x2, y2) in pixels: the mask's.
            area: Its pixels.
            mask: COCO's uncompressed run lengths: ``size`` and ``counts``; or polygons, or None.
            crowd: See :meth:`add_box`.
        """
        x1, y1, x2, y2 = box
        self.annotations.append(
            {
                "id": len(self.annotations) + 1,
                "image_id": self.images[-1]["id"],
                "category_id": label + 1,
                "bbox": [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)],
                "area": round(area, 2),
                "iscrowd": int(crowd),
                **({} if mask is None else {"segmentation": mask}),
            }
        )

    def _clip(self, box: Box) -> Box:
        width, height = self.images[-1]["width"], self.images[-1]["height"]
        x1, y1, x2, y2 = box
        shown = f"({', '.join(f'{value:g}' for value in box)})"
        if not all(map(math.isfinite, box)):
            raise AnnotationError(f"the box {shown} (x1, y1, x2, y2) has a coordinate that is no number")
        if x2 <= x1 or y2 <= y1:
            raise AnnotationError(f"the box {shown} (x1, y1, x2, y2) has no area")
        inside = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
        if inside[2] <= inside[0] or inside[3] <= inside[1]:
            raise AnnotationError(
                f"the box {shown} (x1, y1, x2, y2) lies outside the image, which is {width} wide and {height} high"
            )
        self.clipped += max(abs(a - b) for a, b in zip(box, inside, strict=True)) > 1e-3
        return inside

    def write(self, path: str | Path) -> bool:
        """Write the file, after loading it with pycocotools if that is there.

        Returns:
            Whether it was loaded.

        Raises:
            AnnotationError: If there is no image.
        """
        if not self.images:
            raise AnnotationError(f"no image could be converted: {str(path)!r} was not written")
        content = {
            "info": {"description": self.description},
            "licenses": [],
            "categories": [{"id": i, "name": name, "supercategory": ""} for i, name in enumerate(self.classes, 1)],
            "images": self.images,
            "annotations": self.annotations,
        }
        with whole_file(path) as partial:
            partial.write_bytes(json_bytes(content, separators=(",", ":")))
            try:
                from pycocotools.coco import COCO  # optional: comes with mmdet
            except ImportError:
                return False
            with contextlib.redirect_stdout(io.StringIO()):
                coco = COCO(str(partial))
            found = len(coco.getImgIds()), len(coco.getAnnIds()), len(coco.getCatIds())
            expected = len(self.images), len(self.annotations), len(self.classes)
            if found != expected:
                raise AssertionError(f"pycocotools finds {found} images, annotations, classes in place of {expected}")
        return True


def size_of(path: str | Path) -> tuple[int, int]:
    """(H, W) of an image, as :func:`mirl_mm.datasets.decode.image_size`.

    Raises:
        AnnotationError: If the file is missing or no image.
    """
    try:
        return image_size(path)
    except FileNotFoundError:
        raise AnnotationError(f"the image '{path}' is missing") from None
    except CorruptImageError as error:
        raise AnnotationError(str(error)) from error


def stem_of(path: Path, folder: Path) -> str:
    """A file's path in a folder, with slashes and without its ending."""
    return path.relative_to(folder).with_suffix("").as_posix()


def relative_name(path: Path, root: Path) -> str:
    """An image's path relative to the data set's folder, with slashes.

    Raises:
        AnnotationError: If it lies elsewhere.
    """
    try:
        return Path(os.path.abspath(path)).relative_to(os.path.abspath(root)).as_posix()  # links stay links
    except ValueError:
        raise AnnotationError(
            f"the image '{path}' does not lie in the data set's folder '{root}': give the folder above both as the root"
        ) from None
