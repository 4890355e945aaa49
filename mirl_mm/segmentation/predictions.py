"""The class of each pixel of an image, and the forms in which it is handed out."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mirl_mm.datasets.seg_maps import IGNORED, SegMapRules, check_size, read_seg_map
from mirl_mm.text import counted

from .error_analysis import class_iou, confusion

#: Ground truth: a folder with masks of the images' names, or a mask for each image, a file or ``(H, W)`` labels.
Truth = str | Path | Sequence[str | Path | np.ndarray]


@dataclass(frozen=True)
class Segmentation:
    """An image's classes, pixel by pixel.

    Attributes:
        img_path: None for an array.
        png: The segmentation map as a PNG file, in the classes' colours, which keeps thousands of images in memory. Its
            values are those of the training data's masks: with ``first`` 1, 0 means no label.
        first: Value of the first class.
        labels: ``(K,)`` int64, the classes that are there, largest area first.
        names: Of these classes.
        colours: ``(K, 3)`` uint8 RGB.
        shares: ``(K,)`` float64, of the image's area.
        mask_path: The file that holds ``png``, if it was written.
        truth_png: The true labels, if they were given; 255 where there is none.
        iou: Intersection over union with them of each class that is there or should be.
    """

    img_path: str | None
    png: bytes
    first: int
    labels: np.ndarray
    names: tuple[str, ...]
    colours: np.ndarray
    shares: np.ndarray
    mask_path: str | None = None
    truth_png: bytes | None = None
    iou: dict[int, float] | None = None

    @classmethod
    def of(
        cls,
        mask: np.ndarray,
        names: Sequence[str],
        palette: np.ndarray,
        first: int,
        img_path: str | None = None,
        mask_path: str | None = None,
        truth: np.ndarray | None = None,
    ) -> "Segmentation":
        """From labels ``(H, W)`` uint8, the names and colours of all classes, and maybe the true labels."""
        areas = np.bincount(mask.ravel(), minlength=len(names))
        labels = np.argsort(-areas, kind="stable")[: np.count_nonzero(areas)]
        return cls(
            img_path,
            encode_mask(mask, palette, first),
            first,
            labels,
            tuple(names[label] for label in labels),
            palette[labels],
            areas[labels] / mask.size,
            mask_path,
            None if truth is None else encode_mask(truth, palette),
            None if truth is None else _image_iou(truth, mask),
        )

    @property
    def mask(self) -> np.ndarray:
        """``(H, W)`` uint8, indices of classes."""
        return np.asarray(Image.open(io.BytesIO(self.png))) - np.uint8(self.first)

    @property
    def truth(self) -> np.ndarray | None:
        """``(H, W)`` uint8, 255 where there is no label."""
        return None if self.truth_png is None else np.asarray(Image.open(io.BytesIO(self.truth_png)))

    def as_dict(self, plain: bool = False) -> dict:
        """With arrays; ``plain`` with lists, as JSON takes them, and without the mask."""
        found: dict = {
            "img_path": self.img_path,
            **({} if plain else {"mask": self.mask}),
            "labels": self.labels.tolist() if plain else self.labels,
            "names": list(self.names),
            "colours": self.colours.tolist() if plain else self.colours,
            "shares": [round(share, 6) for share in self.shares.tolist()] if plain else self.shares,
        }
        if self.mask_path is not None:
            found["mask_path"] = self.mask_path
        if self.iou is not None:
            found |= {"iou": self.iou, "mean_iou": mean_iou(self.iou)}
        return found


def mean_iou(iou: dict[int, float]) -> float | None:
    """Over the classes; None if there is none, as no pixel has a label."""
    return float(np.mean(list(iou.values()))) if iou else None


def _image_iou(truth: np.ndarray, mask: np.ndarray) -> dict[int, float]:
    values = class_iou(confusion(truth, mask, IGNORED))
    return {label: float(values[label]) for label in np.flatnonzero(~np.isnan(values)).tolist()}


def encode_mask(mask: np.ndarray, palette: np.ndarray, first: int = 0) -> bytes:
    """Labels ``(H, W)`` uint8 as a PNG file that shows them in colours; ``first`` is the value of the first class."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[first : first + len(palette)] = palette
    image = Image.fromarray(mask + np.uint8(first)).convert("P")
    image.putpalette(colours.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def find_truth(inputs: Sequence[np.ndarray | str], truth: Truth) -> list[str | np.ndarray]:
    """Each image's mask.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: For another number of masks, or a folder for arrays, which have no names.
    """
    if not isinstance(truth, (str, Path)):
        if len(truth) != len(inputs):
            raise ValueError(
                f"{counted(len(truth), 'true mask')} for {counted(len(inputs), 'image')}: give one for each, in order"
            )
        return [mask if isinstance(mask, np.ndarray) else os.fspath(mask) for mask in truth]
    paths: list[str | np.ndarray] = []
    for image in inputs:
        if not isinstance(image, str):
            raise ValueError("a folder of ground truth needs images from files: arrays have no names to look for")
        path = os.path.join(truth, Path(image).stem + ".png")
        if not os.path.isfile(path):
            raise FileNotFoundError(f"no ground truth '{path}' for the image '{image}'")
        paths.append(path)
    return paths


def read_truth(truth: str | np.ndarray, rules: SegMapRules, size: tuple[int, int], image: str) -> np.ndarray:
    """``(H, W)`` uint8 labels, 255 where there is none, of a file or an array, for an image of that size and name.

    Raises:
        ValueError: For a value that is no class, or another size than the image's.
        CorruptImageError: If it can't be read.
    """
    if isinstance(truth, str):
        labels, name = rules.labels(read_seg_map(truth), truth), truth
    else:
        labels, name = truth.astype(np.uint8), "given as an array"
    check_size(labels.shape, size, name, image)
    return labels
