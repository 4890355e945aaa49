"""COCO's annotations, of objects or of stuff, into segmentation maps."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mirl_mm.datasets.coco_reader import read_coco
from mirl_mm.datasets.seg_maps import IGNORED
from mirl_mm.outputs import OutputError, source_of
from mirl_mm.text import counted

from .coco_builder import AnnotationError
from .seg_maps import MadeSegMaps, Recipe, check_classes, make_seg_maps

CROWD = ("ignore", "keep", "drop")


_Content = tuple[str, tuple[int, int], list[dict[str, Any]]]  # an image: its name and (H, W), its annotations


def coco_to_masks(
    annotations: str | Path,
    out_dir: str | Path,
    background: str | None = None,
    classes: Sequence[str] = (),
    crowd: str = "ignore",
    zero_based: bool = False,
    workers: int | None = None,
) -> MadeSegMaps:
    """Convert a COCO file of polygons or run lengths into segmentation maps, and write ``classes.txt``.

    Each image of the file gets ``out_dir/<its file name>.png``, also without annotations. Where annotations overlap,
    the smaller one is on top: it would be hidden otherwise. Pixels without annotation are ``background``, if it has a
    name, else they have no label. Nothing is written over a file that is not of the same conversion.

    Args:
        annotations: The file, e.g. ``instances_train2017.json`` or ``stuff_train2017.json``.
        out_dir: Folder of the masks.
        background: Name of the first class, that of all pixels without annotation.
        classes: Names of categories, in the order of labels; annotations of others are left out. Default: all, in the
            file's order.
        crowd: What becomes of crowds (``iscrowd``), which are marked roughly: ``"ignore"``, no label where nothing else
            is annotated; ``"keep"``, as ordinary annotations; or ``"drop"``, as if they weren't there.
        zero_based: The first class is 0 and no label 255, in place of 1 and 0, as ADE20K has it.
        workers: Processes. Default: one for each CPU.

    Raises:
        ImportError: Without pycocotools.
        FileNotFoundError: If the file is missing.
        ValueError: If it is in another format, or for another word for ``crowd``.
        AnnotationError: For a class that the file doesn't have, a single class without background, an annotation
            without mask or of an unknown image or category, or two images of the same name.
        OutputError: If a mask would lie outside of ``out_dir`` or among the images, or replace another file.
    """
    try:
        import pycocotools.mask  # noqa: F401  # optional: comes with mmdet
    except ImportError as error:
        raise ImportError("this needs pycocotools, which comes with mmdet: pip install pycocotools") from error
    if crowd not in CROWD:
        raise ValueError(f"crowd must be one of {', '.join(CROWD)}, got {crowd!r}")
    path, out_dir = str(annotations), Path(out_dir)
    content, notes = read_coco(path, boxes=False)
    categories = {category["id"]: category["name"] for category in content["categories"]}
    chosen = list(classes) or list(dict.fromkeys(categories.values()))
    lacking = [name for name in chosen if name not in categories.values()]
    if lacking:
        raise AnnotationError(
            f"'{path}' has no category {lacking[0]!r}; it has {', '.join(list(categories.values())[:10])} ..."
        )
    names = ([background] if background else []) + chosen
    check_classes(names, path, "Give the rest of each image a class, too, by background='background' (--background)")
    labels = {number: names.index(name) for number, name in categories.items() if name in names[bool(background) :]}
    recipes = _recipes(content, path, out_dir, categories, labels)
    paint = partial(_paint, labels=labels, ground=0 if background else IGNORED, crowd=crowd)
    counts, _ = make_seg_maps("coco_to_masks", recipes, paint, names, out_dir, zero_based, workers)
    left_out = len(content["annotations"]) - sum(len(recipe.content[2]) for recipe in recipes)
    if left_out:
        notes.append(f"left out: {counted(left_out, 'annotation')} of other categories")
    return MadeSegMaps(out_dir, counts, (), zero_based, tuple(notes))


def paint_annotations(
    annotations: Sequence[Mapping[str, Any]], size: tuple[int, int], labels: Mapping[Any, int], ground: int, crowd: str
) -> np.ndarray:
    """An image's labels, ``(H, W)`` uint8.

    Args:
        annotations: COCO's, each with ``segmentation`` and ``category_id``.
        size: (H, W).
        labels: By category id.
        ground: Label of pixels without annotation.
        crowd: See :func:`coco_to_masks`.
    """
    from pycocotools import mask as coco  # optional: comes with mmdet

    def order(item: tuple[Mapping[str, Any], Any]) -> tuple[bool, float]:
        rough = crowd == "ignore" and bool(item[0].get("iscrowd"))
        return not rough, -float(coco.area(item[1]))

    kept = [each for each in annotations if crowd != "drop" or not each.get("iscrowd")]
    encoded = []
    for each in kept:
        mask = each["segmentation"]  # polygons, or run lengths of either kind
        if isinstance(mask, list):
            mask = coco.merge(coco.frPyObjects(mask, *size))
        elif isinstance(mask["counts"], list):
            mask = coco.frPyObjects(mask, *size)
        encoded.append((each, mask))
    painted = np.full(size, ground, dtype=np.uint8)
    for each, mask in sorted(encoded, key=order):
        rough = crowd == "ignore" and each.get("iscrowd")
        painted[coco.decode(mask).astype(bool)] = IGNORED if rough else labels[each["category_id"]]
    return painted


def _recipes(
    content: dict[str, Any], path: str, out_dir: Path, categories: Mapping[Any, str], labels: Mapping[Any, int]
) -> list[Recipe]:
    of_image = defaultdict(list)
    images = {image["id"] for image in content["images"]}
    for each in content["annotations"]:
        name = f"'{path}': annotation {each['id']}"
        if each["image_id"] not in images:
            raise AnnotationError(f"{name} is of image {each['image_id']!r}, which the file does not list")
        if each["category_id"] not in categories:
            raise AnnotationError(f"{name} is of category {each['category_id']!r}, which the file does not list")
        if each["category_id"] in labels and not each.get("segmentation"):
            raise AnnotationError(
                f"{name} has no segmentation, or no polygon of at least 3 points: a box alone is no mask"
            )
        if each["category_id"] in labels:
            of_image[each["image_id"]].append(each)
    recipes = []
    for image in content["images"]:
        name = image["file_name"]
        target = (out_dir / PurePosixPath(name)).with_suffix(".png")
        if target != out_dir / name and (out_dir / name).is_file():
            raise OutputError(f"'{out_dir}' is the folder of the images, such as '{name}': give another one for masks")
        one = (name, (int(image["height"]), int(image["width"])), of_image[image["id"]])
        recipes.append(Recipe(target, f"{source_of(path)}: {name}", one))
    return recipes


def _paint(image: _Content, labels: Mapping[Any, int], ground: int, crowd: str) -> tuple[np.ndarray, int]:
    name, size, annotations = image
    try:
        return paint_annotations(annotations, size, labels, ground, crowd), 0
    except Exception as error:  # pycocotools raises nearly every type there is
        raise AnnotationError(f"the annotations of image {name!r} can't be painted: {error}") from error
