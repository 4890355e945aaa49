"""Generated Shapes in the layouts of other tools."""

import json
import shutil
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from mirl_mm.shapes import generate

SPLITS = {"train": "train2017", "val": "val2017"}


def write_shapes(folder: Path, num_train: int = 16, num_val: int = 8, size: tuple[int, int] = (64, 64)) -> Path:
    """Shapes in its own layouts: class folders, COCO, ADE20K."""
    return generate(folder, num_train=num_train, num_val=num_val, size=size, workers=1)


def write_roboflow(shapes: Path, folder: Path) -> Path:
    """``train`` and ``valid`` with ``_annotations.coco.json`` beside the images, and the category over all others."""
    for split, ours in SPLITS.items():
        target = folder / {"val": "valid"}.get(split, split)
        shutil.copytree(shapes / "coco" / ours, target)
        content = _coco(shapes, split)
        for category in content["categories"]:
            category["supercategory"] = "shapes"
        content["categories"].insert(0, {"id": 0, "name": "shapes", "supercategory": "none"})
        (target / "_annotations.coco.json").write_text(json.dumps(content))
    return folder


def write_flat_coco(shapes: Path, folder: Path) -> Path:
    """One file and one folder of images, without splits."""
    shutil.copytree(shapes / "coco/train2017", folder / "pictures")
    (folder / "labels.json").write_text(json.dumps(_coco(shapes, "train")))
    return folder


def write_yolo(shapes: Path, folder: Path, val: bool = True) -> Path:
    """``data.yaml``, ``images/<split>`` and ``labels/<split>``."""
    for split in SPLITS if val else ["train"]:
        shutil.copytree(shapes / "coco" / SPLITS[split], folder / "images" / split)
        (folder / "labels" / split).mkdir(parents=True)
        for image, objects in _by_image(shapes, split):
            h, w = image["height"], image["width"]
            lines = []
            for label, (x, y, bw, bh) in objects:
                lines.append(f"{label} {(x + bw / 2) / w} {(y + bh / 2) / h} {bw / w} {bh / h}")
            name = Path(image["file_name"]).with_suffix(".txt").name
            (folder / "labels" / split / name).write_text("\n".join(lines))
    content = {split: f"images/{split}" for split in (SPLITS if val else ["train"])}
    (folder / "data.yaml").write_text(yaml.safe_dump({**content, "names": _names(shapes)}))
    return folder


def write_voc(shapes: Path, folder: Path, lists: bool = True) -> Path:
    """``JPEGImages``, ``Annotations``, and ``ImageSets/Main`` or, without, all XML files beside the images."""
    images, xml = (folder / "JPEGImages", folder / "Annotations") if lists else (folder, folder)
    for path in {images, xml}:
        path.mkdir(parents=True, exist_ok=True)
    names = _names(shapes)
    for split in SPLITS:
        stems = []
        for image, objects in _by_image(shapes, split):
            stem = f"{split}_{Path(image['file_name']).stem}"
            stems.append(stem)
            shutil.copy(shapes / "coco" / SPLITS[split] / image["file_name"], images / f"{stem}.jpg")
            parts = [f"<size><width>{image['width']}</width><height>{image['height']}</height></size>"]
            for label, (x, y, w, h) in objects:
                box = f"<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax>"
                parts.append(f"<object><name>{names[label]}</name><bndbox>{box}</bndbox></object>")
            (xml / f"{stem}.xml").write_text(f"<annotation>{''.join(parts)}</annotation>")
        if lists:
            (folder / "ImageSets/Main").mkdir(parents=True, exist_ok=True)
            (folder / f"ImageSets/Main/{split}.txt").write_text("\n".join(stems))
    return folder


def write_pairs(shapes: Path, folder: Path, binary: bool = False) -> Path:
    """``images`` and ``masks`` without splits or names; classes count from 0, or are 0 and 255."""
    shutil.copytree(shapes / "ade/images/training", folder / "images")
    (folder / "masks").mkdir()
    for path in (shapes / "ade/annotations/training").iterdir():
        values = np.asarray(Image.open(path)) - 1
        Image.fromarray((values > 0).astype(np.uint8) * 255 if binary else values).save(folder / "masks" / path.name)
    return folder


def _coco(shapes: Path, split: str) -> dict:
    return json.loads((shapes / f"coco/annotations/instances_{SPLITS[split]}.json").read_text())


def _names(shapes: Path) -> list[str]:
    return [category["name"] for category in _coco(shapes, "train")["categories"]]


def _by_image(shapes: Path, split: str) -> list[tuple[dict, list[tuple[int, list[int]]]]]:
    """Each image with the labels and boxes of its objects."""
    content = _coco(shapes, split)
    of: dict[int, list] = {image["id"]: [] for image in content["images"]}
    for each in content["annotations"]:
        of[each["image_id"]].append((each["category_id"] - 1, each["bbox"]))
    return [(image, of[image["id"]]) for image in content["images"]]
