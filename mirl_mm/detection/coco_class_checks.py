"""Is a COCO-format annotation file what the config takes it for? Plain Python, quick enough for all of COCO."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mirl_mm.datasets.checks import check_part
from mirl_mm.text import counted, shortlist

#: Images whose files are looked for.
_SPOT_CHECKS = 64


def check_paths(data_root: str, ann_file: str, folder: str) -> None:
    """See that annotation file and image folder, absolute or relative to ``data_root``, are there.

    Raises:
        FileNotFoundError: Says which part is missing, and what is there instead.
    """
    check_part(data_root, ann_file, "annotation file", "ann_file", ".json")
    check_part(data_root, folder, "image folder", "data_prefix=dict(img=...)")


def check_annotations(
    content: dict[str, Any],
    classes: Sequence[str],
    path: str,
    masks: bool = False,
    test_mode: bool = False,
    every_mask: bool = False,
) -> tuple[list[dict], list[str]]:
    """Hold an annotation file against the classes of the config, for training and evaluation alike.

    Args:
        content: In COCO's form, of :func:`mirl_mm.datasets.coco_reader.read_coco`.
        classes: The class of each label.
        path: The file's, for messages.
        masks: Whether annotations need a ``segmentation``.
        test_mode: Images without any annotation are evaluated or only predicted: a warning, not an error.
        every_mask: Whether those need it, too, whose boxes are left out: pycocotools paints them all.

    Returns:
        The categories of the classes, in the order of the classes, and warnings of annotations that are left out.

    Raises:
        ValueError: For ids that are used twice or not known, classes that the file hasn't, masks that are missing, or a
            training set without annotations that can be used.
    """
    where = f"annotation file '{path}'"
    annotations = content.get("annotations") or []
    kept = _match_classes(where, content["categories"], classes)
    warnings = []
    if not annotations:
        message = f"{where} has {counted(len(content['images']), 'image')} and no annotation at all"
        if not test_mode:
            raise ValueError(f"{message}: nothing can be learnt from it. Give the file that has the boxes")
        return kept, [f"{message}: its images can be predicted, but every metric will be -1"]
    _check_ids(where, content["images"], annotations, content["categories"])
    wanted = {category["id"] for category in kept}
    inside = [annotation for annotation in annotations if annotation["category_id"] in wanted]
    if len(inside) < len(annotations):
        rest = [category["name"] for category in content["categories"] if category["id"] not in wanted]
        warnings.append(
            f"{where}: {len(annotations) - len(inside):,} of {len(annotations):,} annotations are left out, of "
            f"{counted(len(rest), 'category', 'categories')} not among the config's classes: {shortlist(rest)}"
        )
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    usable = [annotation for annotation in inside if _has_area(annotation, sizes)]
    if len(usable) < len(inside):
        bad = next(annotation for annotation in inside if not _has_area(annotation, sizes))
        warnings.append(
            f"{where}: {len(inside) - len(usable):,} of {len(inside):,} boxes are left out, as they are less than a "
            f"pixel wide or high or lie outside of their image; the first is annotation {bad['id']} with bbox "
            f"{bad['bbox']}. Boxes are [x, y, width, height] in pixels"
        )
    if not usable and not test_mode:
        raise ValueError(f"no annotation is left to train with. {' '.join(warnings)}")
    painted = (inside if every_mask else usable) if masks else []
    bare = [annotation for annotation in painted if not annotation.get("segmentation")]
    if bare:
        what = "masks are evaluated" if test_mode else "the model learns masks"
        raise ValueError(
            f"{where}: {len(bare):,} of {len(painted):,} annotations have no segmentation, or no polygon of at least 3 "
            f"points (the first: {bare[0]['id']}), and {what}. Add them, or take a detector of boxes, e.g. "
            "configs/det/mirl_vitb_gfl_coco.py"
        )
    return kept, warnings


def _check_ids(where: str, images: list[dict], annotations: list[dict], categories: list[dict]) -> None:
    for kind, items in (("image", images), ("annotation", annotations), ("category", categories)):
        twice = [key for key, number in Counter(item["id"] for item in items).items() if number > 1]
        if twice:
            raise ValueError(f"{where}: {len(twice)} {kind} ids are used more than once: {shortlist(twice)}")
    for key, items in (("image_id", images), ("category_id", categories)):
        known = {item["id"] for item in items}
        unknown = sorted({annotation[key] for annotation in annotations} - known, key=str)
        if unknown:
            raise ValueError(
                f"{where}: annotations refer to {counted(len(unknown), 'value')} of {key} that the file does not list: "
                f"{shortlist(unknown)}"
            )


def _match_classes(where: str, categories: Sequence[dict], classes: Sequence[str]) -> list[dict]:
    """The categories of the classes, in their order."""
    names = [category.get("name") for category in categories]
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        raise ValueError(f"{where}: several categories have the same name: {shortlist(twice)}")
    by_name = dict(zip(names, categories, strict=True))
    lacking = [name for name in classes if name not in by_name]
    if lacking:
        raise ValueError(
            f"{where} has {len(names)} categories ({shortlist(names)}), and the config {len(classes)} classes "
            f"({shortlist(classes)}): the file lacks {len(lacking)} of them ({shortlist(lacking)}). Name the file's by "
            "--classes, or by metainfo=dict(classes=(...)) in the data set's config"
        )
    return [by_name[name] for name in classes]


def _has_area(annotation: dict, sizes: dict[Any, tuple[int, int]]) -> bool:
    """What mmdet keeps."""
    x, y, w, h = annotation["bbox"]
    width, height = sizes[annotation["image_id"]]
    inside = min(x + w, width) > max(x, 0) and min(y + h, height) > max(y, 0)
    return inside and w >= 1 and h >= 1 and annotation["area"] > 0


def check_images(images: Sequence[dict], folder: str, path: str) -> None:
    """Look for some of the images, evenly spread over the file.

    Raises:
        FileNotFoundError: If any is missing.
    """
    some = images[:: max(len(images) // _SPOT_CHECKS, 1)]
    missing = [image["file_name"] for image in some if not os.path.isfile(os.path.join(folder, image["file_name"]))]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(some)} images looked for are not in '{folder}' ({shortlist(missing)}), though "
            f"'{path}' lists them: set data_prefix=dict(img=...) in the data set's config, or complete the folder"
        )
