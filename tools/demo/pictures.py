"""What the models see in images that they have not been trained on, beside what is there."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco  # comes with mmdet, which the demo needs

from mirl_mm.visualization.boxes import Instance, draw_instances
from mirl_mm.visualization.palette import class_colour
from mirl_mm.visualization.regions import paint_regions, resize_image, resize_labels

from .plan import Settings

_SCALE = 4  # of the images of 64 pixels
_OPACITY = 0.8
_COLOURS = (0, 1, 2, 3, 4, 5, 6, 24)  # of the palette, for each class; number 7 is too much like number 4


@dataclass(frozen=True)
class Picture:
    """A drawing, and what is in it in words."""

    pixels: np.ndarray
    words: str


@dataclass(frozen=True)
class Sample:
    """An unseen image: the truth, and what each model found.

    Attributes:
        name: Of its file.
        truth: What is there.
        random: From random weights.
        mirl: From MIRL's.
    """

    name: str
    truth: Picture
    random: Picture
    mirl: Picture


def class_names(settings: Settings) -> list[str]:
    """Of the shapes, in the order of their labels."""
    return (settings.shapes / "ade/classes.txt").read_text().split()[1:]


def colour_of(label: int) -> tuple[int, int, int]:
    """A class's RGB, in all pictures of the page."""
    return class_colour(_COLOURS[label])


def detections(settings: Settings) -> list[Sample]:
    """Boxes and masks."""
    task = next(task for task in settings.tasks if task.name == "det")
    found = [json.loads(settings.found(task, start).read_text()) for start in ("random", "mirl")]
    annotations = json.loads((settings.shapes / "coco/annotations/instances_val2017.json").read_text())
    names = class_names(settings)
    ids = {entry["file_name"]: entry["id"] for entry in annotations["images"]}
    samples = []
    for each in zip(*found, strict=True):
        path = Path(each[0]["img_path"])
        true = [entry for entry in annotations["annotations"] if entry["image_id"] == ids[path.name]]
        pixels = np.asarray(Image.open(path).convert("RGB"))
        pictures = [_draw_objects(pixels, list(_true_objects(true)), names)]
        pictures += [_draw_objects(pixels, list(_found_objects(one, names)), names) for one in each]
        samples.append(Sample(path.name, *pictures))
    return samples


def segmentations(settings: Settings) -> list[Sample]:
    """The class of each pixel; background stays as it is."""
    task = next(task for task in settings.tasks if task.name == "seg")
    found = [json.loads(settings.found(task, start).read_text()) for start in ("random", "mirl")]
    names = class_names(settings)
    samples = []
    for each in zip(*found, strict=True):
        path = Path(each[0]["img_path"])
        pixels = np.asarray(Image.open(path).convert("RGB"))
        truth = settings.shapes / "ade/annotations/validation" / f"{path.stem}.png"
        masks = [truth, *(one["mask_path"] for one in each)]
        samples.append(Sample(path.name, *(_draw_mask(pixels, Path(mask), names) for mask in masks)))
    return samples


@dataclass(frozen=True)
class _Object:
    """Label from 0, box (x1, y1, x2, y2), mask ``(H, W)`` bool, score or None for the truth."""

    label: int
    box: Sequence[float]
    mask: np.ndarray
    score: float | None = None


def _true_objects(annotations: Iterable[dict]) -> Iterable[_Object]:
    for entry in annotations:
        x, y, width, height = entry["bbox"]
        rle = entry["segmentation"]
        mask = coco.decode(coco.frPyObjects(rle, *rle["size"])).astype(bool)
        yield _Object(entry["category_id"] - 1, (x, y, x + width, y + height), mask)


def _found_objects(found: dict, names: Sequence[str]) -> Iterable[_Object]:
    for box, score, name, rle in zip(found["boxes"], found["scores"], found["names"], found["masks"], strict=True):
        yield _Object(names.index(name), box, coco.decode(rle).astype(bool), score)


def _draw_objects(pixels: np.ndarray, objects: Sequence[_Object], names: Sequence[str]) -> Picture:
    instances = [Instance(each.box, _COLOURS[each.label], "", each.mask) for each in objects]
    side = _SCALE * max(pixels.shape[:2])
    drawn = draw_instances(pixels, instances, (side, side))
    words = [names[each.label] + ("" if each.score is None else f" {each.score:.0%}") for each in objects]
    return Picture(drawn, ", ".join(words) or "nothing")


def _draw_mask(pixels: np.ndarray, path: Path, names: Sequence[str]) -> Picture:
    labels = np.asarray(Image.open(path))  # 1 is background, then the shapes
    size = (_SCALE * pixels.shape[0], _SCALE * pixels.shape[1])
    shown = resize_labels(labels, size)
    shape = shown >= 2
    palette = np.array([colour_of(label) for label in range(len(names))])
    drawn = paint_regions(resize_image(pixels, size), np.where(shape, shown - 2, 0), palette, _OPACITY, shape)
    areas = np.bincount(labels.ravel(), minlength=len(names) + 2)[2:]
    order = [label for label in np.argsort(-areas, kind="stable").tolist() if areas[label]]
    words = [f"{names[label]} {areas[label] / labels.size:.0%}" for label in order]
    return Picture(drawn, ", ".join(words) or "nothing but background")
