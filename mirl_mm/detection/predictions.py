"""What a detector found in an image, and the forms in which it is handed out."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mirl_mm.datasets.coco_reader import read_annotations

Rle = dict[str, Any]  # COCO's: "size", (H, W), and "counts", a compressed text


@dataclass(frozen=True)
class Detections:
    """Objects of one image, best first.

    Attributes:
        img_path: None for an array.
        size: (H, W) of the original image.
        boxes: ``(N, 4)`` float32, (x1, y1, x2, y2) in the original image's pixels.
        scores: ``(N,)`` float32 in 0..1.
        labels: ``(N,)`` int64.
        names: Of the classes.
        masks: Of the original image's size, run-length encoded, which keeps thousands of images in memory; None if the
            detector has none.
    """

    img_path: str | None
    size: tuple[int, int]
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    masks: list[Rle] | None

    def as_dict(self, plain: bool = False) -> dict:
        """With arrays, masks ``(N, H, W)`` bool; ``plain`` with lists, as JSON takes them, masks run-length encoded."""
        found: dict = {
            "img_path": self.img_path,
            "boxes": [[round(value, 2) for value in box] for box in self.boxes.tolist()] if plain else self.boxes,
            "scores": [round(score, 5) for score in self.scores.tolist()] if plain else self.scores,
            "labels": self.labels.tolist() if plain else self.labels,
            "names": list(self.names),
        }
        if self.masks is not None:
            found["masks"] = self.masks if plain else decode_masks(self.masks, self.size)
        return found


def encode_masks(masks: np.ndarray) -> list[Rle]:
    """``(N, H, W)`` bool -> COCO's run lengths."""
    from pycocotools import mask as coco  # comes with mmdet

    encoded = coco.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8)))
    return [{"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode()} for rle in encoded]


def decode_masks(masks: Sequence[Rle], size: tuple[int, int]) -> np.ndarray:
    """COCO's run lengths of masks of a size (H, W) -> ``(N, H, W)`` bool."""
    from pycocotools import mask as coco  # comes with mmdet

    if not masks:
        return np.zeros((0, *size), dtype=bool)
    return coco.decode(list(masks)).transpose(2, 0, 1).astype(bool)


class CocoIds(NamedTuple):
    """The numbers under which a COCO annotation file knows images and classes.

    Attributes:
        images: Image ids by file name.
        categories: Category ids by class name.
    """

    images: Mapping[str, int]
    categories: Mapping[str, int]

    @classmethod
    def read(cls, path: str | Path) -> "CocoIds":
        """Read them.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is no COCO file.
        """
        try:
            content = read_annotations(str(path))
            return cls(
                {image["file_name"]: image["id"] for image in content["images"]},
                {category["name"]: category["id"] for category in content["categories"]},
            )
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"'{path}' is no COCO annotation file ({error!r}): expected images and categories"
            ) from error

    def image_id(self, path: str) -> int:
        """An image's number: of the longest end of its path that is a file name there.

        Raises:
            ValueError: If there is none.
        """
        parts = Path(os.path.abspath(path)).parts
        for start in range(1, len(parts)):
            name = "/".join(parts[start:])
            if name in self.images:
                return self.images[name]
        raise ValueError(f"the annotation file doesn't know the image '{path}': give images of its data set")


def coco_results(found: Sequence[Mapping[str, Any]], ids: CocoIds) -> list[dict]:
    """Plain predictions (:meth:`Detections.as_dict`) in COCO's results format, by the ids of its annotation file.

    Raises:
        ValueError: For an image or class that the annotation file doesn't have.
    """
    unknown = {name for item in found for name in item["names"]} - set(ids.categories)
    if unknown:
        raise ValueError(
            f"the annotation file has no class {', '.join(sorted(unknown)[:5])}; it has "
            f"{', '.join(list(ids.categories)[:5])} ...: it belongs to other data than the checkpoint"
        )
    results = []
    for item in found:
        number = ids.image_id(item["img_path"])
        for i, (x1, y1, x2, y2) in enumerate(item["boxes"]):
            entry = {
                "image_id": number,
                "category_id": ids.categories[item["names"][i]],
                "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
                "score": item["scores"][i],
            }
            if "masks" in item:
                entry["segmentation"] = item["masks"][i]
            results.append(entry)
    return results
