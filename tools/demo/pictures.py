"""What the models see in images that they have not been trained on, beside what is there."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco  # comes with mmdet, which the demo needs

from mirl_mm.detection.draw_instances import Instance, draw_instances
from mirl_mm.visualization.palette import class_palette
from mirl_mm.visualization.regions import paint_regions, resize_image, resize_labels

from .plan import CLASSES, STARTS

_SIZE = (256, 256)  # of the images of 64 pixels, magnified
PALETTE = class_palette(len(CLASSES))


Picture = tuple[np.ndarray, str]  # a drawing (H, W, 3), and what is in it in words
Sample = tuple[str, dict[str, Picture]]  # an unseen image's name, and what is there and what each model found by titles


def detections(work_dir: Path) -> list[Sample]:
    """Boxes and masks."""
    truth = json.loads((work_dir / "shapes/coco/annotations/instances_val2017.json").read_text())
    ids = {image["file_name"]: image["id"] for image in truth["images"]}

    def there(path: Path) -> Iterator[tuple]:
        for entry in truth["annotations"]:
            if entry["image_id"] == ids[path.name]:
                (x, y, width, height), rle = entry["bbox"], entry["segmentation"]
                box, mask = (x, y, x + width, y + height), coco.frPyObjects(rle, *rle["size"])
                yield CLASSES[entry["category_id"] - 1], "", box, mask

    def found(found: dict) -> Iterator[tuple]:
        scores = [f" {score:.0%}" for score in found["scores"]]
        return zip(found["names"], scores, found["boxes"], found["masks"], strict=True)

    def draw(pixels: np.ndarray, objects: Iterator[tuple]) -> Picture:
        instances, words = [], []
        for name, score, box, rle in objects:
            instances.append(Instance(box, CLASSES.index(name), "", coco.decode(rle).astype(bool)))
            words.append(f"{name}{score}")
        return draw_instances(pixels, instances, _SIZE), ", ".join(words) or "nothing"

    return _samples(work_dir, "det", there, found, draw)


def segmentations(work_dir: Path) -> list[Sample]:
    """The class of each pixel; background stays as it is."""

    def draw(pixels: np.ndarray, mask: str | Path) -> Picture:
        labels = np.asarray(Image.open(mask))  # 1 is background, then the shapes
        shown = resize_labels(labels, _SIZE)
        image, shapes = resize_image(pixels, _SIZE), np.maximum(shown, 2) - 2
        drawn = paint_regions(image, shapes, PALETTE, 0.8, shown >= 2)
        areas = np.bincount(labels.ravel(), minlength=len(CLASSES) + 2)[2:] / labels.size
        words = [f"{CLASSES[label]} {areas[label]:.0%}" for label in np.argsort(-areas, kind="stable") if areas[label]]
        return drawn, ", ".join(words) or "nothing but background"

    masks = work_dir / "shapes/ade/annotations/validation"
    return _samples(work_dir, "seg", lambda path: masks / f"{path.stem}.png", lambda found: found["mask_path"], draw)


def _samples(work_dir: Path, task: str, there: Callable, found: Callable, draw: Callable) -> list[Sample]:
    """Draw what is there by an image's path, and what was found by a model's predictions for it."""
    models = [json.loads((work_dir / f"{task}_{start}_found/found.json").read_text()) for start in STARTS]
    titles = ["truth", *(f"from {name.split()[0]}" for name in STARTS.values())]
    samples = []
    for each in zip(*models, strict=True):
        path = Path(each[0]["img_path"])
        pixels = np.asarray(Image.open(path).convert("RGB"))
        pictures = [draw(pixels, content) for content in (there(path), *map(found, each))]
        samples.append((path.name, dict(zip(titles, pictures, strict=True))))
    return samples
