"""How scenes lie on the disk: image folders, COCO, ADE20K.

Every layout stores the very same JPEG bytes under the same file name, so that scenes can be matched across layouts::

    folder/{train,val}/<class of the largest object>/00000000.jpg
    coco/{train2017,val2017}/00000000.jpg
    coco/annotations/instances_{train2017,val2017}.json
    ade/images/{training,validation}/00000000.jpg
    ade/annotations/{training,validation}/00000000.png
    ade/classes.txt

Folder names are those of the originals, so that a config for COCO or ADE20K needs another data root and other classes
only.

**COCO.** Category ids count from 1, in the order of the classes. Masks are uncompressed run lengths, not polygons: the
visible part of an object may have holes and several pieces, and run lengths give back each pixel of it, while a polygon
traced around pixels does not and cannot express a hole. pycocotools, and so mmdet (with ``poly2mask=True``, its
default) and CocoMetric, read them wherever they read polygons; writing them needs no pycocotools.

**ADE20K.** As there, 0 means *no label* and ``reduce_zero_label=True`` belongs in the config, but 0 never occurs: each
pixel has a class, background being the first one. A PNG's value is the line number in ``classes.txt``; after the
reduction, background is 0 and a shape's label is its COCO category id.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from mirl_mm.rle import encode_rle

from .scene import Scene

LAYOUTS: tuple[str, ...] = ("folder", "coco", "ade")

_COCO_SPLITS = {"train": "train2017", "val": "val2017"}
_ADE_SPLITS = {"train": "training", "val": "validation"}
_JPEG_OPTIONS = {"quality": 92, "subsampling": 0}  # full colour resolution: small shapes keep their edges

CocoAnnotation = dict[str, Any]


def _file_name(index: int) -> str:
    return f"{index:08d}.jpg"


def make_folders(root: Path, layouts: Sequence[str], splits: Sequence[str], classes: Sequence[str]) -> None:
    """Creates every folder that the scenes of some splits are written to, and the list of classes."""
    folders = {
        "folder": [f"folder/{split}/{name}" for split in splits for name in classes],
        "coco": ["coco/annotations", *(f"coco/{_COCO_SPLITS[split]}" for split in splits)],
        "ade": [f"ade/{kind}/{_ADE_SPLITS[split]}" for split in splits for kind in ("images", "annotations")],
    }
    for layout in layouts:
        for folder in folders[layout]:
            (root / folder).mkdir(parents=True, exist_ok=True)
    if "ade" in layouts:
        (root / "ade" / "classes.txt").write_text("\n".join(["background", *classes, ""]))


def write_scene(
    root: Path, layouts: Sequence[str], split: str, index: int, scene: Scene, classes: Sequence[str]
) -> list[CocoAnnotation]:
    """Writes one scene's files.

    Returns:
        Its COCO annotations, without ids of their own, which depend on the images before; an empty list when COCO is
        not among the layouts.
    """
    buffer = io.BytesIO()
    Image.fromarray(scene.image).save(buffer, "JPEG", **_JPEG_OPTIONS)
    jpeg, name = buffer.getbuffer(), _file_name(index)
    annotations = []
    if "folder" in layouts:
        (root / "folder" / split / classes[scene.subject - 1] / name).write_bytes(jpeg)
    if "coco" in layouts:
        (root / "coco" / _COCO_SPLITS[split] / name).write_bytes(jpeg)
        annotations = [
            {
                "image_id": index + 1,
                "category_id": instance.label,
                "bbox": list(instance.bbox),
                "area": int(instance.mask.sum()),
                "iscrowd": 0,
                "segmentation": encode_rle(instance.mask),
            }
            for instance in scene.instances
        ]
    if "ade" in layouts:
        folder = _ADE_SPLITS[split]
        (root / "ade" / "images" / folder / name).write_bytes(jpeg)
        Image.fromarray(scene.semantic + 1).save((root / "ade" / "annotations" / folder / name).with_suffix(".png"))
    return annotations


def write_coco_json(
    root: Path, split: str, size: tuple[int, int], classes: Sequence[str], annotations: list[list[CocoAnnotation]]
) -> None:
    """Writes a split's annotation file.

    Args:
        root: The data set's folder.
        split: "train" or "val".
        size: (H, W) of every image.
        classes: Names of the labels 1, 2, ...
        annotations: What ``write_scene`` returned, image by image.
    """
    height, width = size
    images = [
        {"id": index + 1, "file_name": _file_name(index), "height": height, "width": width}
        for index in range(len(annotations))
    ]
    flat = [annotation for image in annotations for annotation in image]
    content = {
        "info": {"description": f"Shapes, generated images, {split}"},
        "licenses": [],
        "categories": [{"id": k, "name": name, "supercategory": "shape"} for k, name in enumerate(classes, start=1)],
        "images": images,
        # pycocotools takes annotation id 0 for "not matched", hence from 1.
        "annotations": [{"id": number, **annotation} for number, annotation in enumerate(flat, start=1)],
    }
    path = root / "coco" / "annotations" / f"instances_{_COCO_SPLITS[split]}.json"
    path.write_text(json.dumps(content, separators=(",", ":")))
