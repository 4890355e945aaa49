"""COCO's annotation files as they come: what has one meaning only is brought into COCO's form, the rest is refused.

Training, evaluation and conversions read them here, so that all of them see the same annotations. Plain Python, quick
enough for all of COCO.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from mirl_mm.text import counted

from .text_files import read_json

_LEAST = 6  # numbers of a polygon of 3 points
_HINTS = {
    "area": " (of the mask, or width x height of the box)",
    "bbox": " ([x, y, width, height] in pixels)",
}


class CocoFile(NamedTuple):
    """What is in a file.

    Attributes:
        content: With ``images``, ``categories`` and ``annotations``, each as COCO has them.
        notes: What was left out.
    """

    content: dict[str, Any]
    notes: list[str]


def read_coco(path: str, boxes: bool = True) -> CocoFile:
    """Read an annotation file, and bring it into COCO's form, with ``bbox`` and ``area`` if ``boxes``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: As :func:`read_annotations` and :func:`in_cocos_form`.
    """
    return in_cocos_form(read_annotations(path), path, boxes)


def read_annotations(path: str) -> dict[str, Any]:
    """Read an annotation file as it is, but for backslashes of Windows in images' paths.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it isn't JSON, or not in COCO's format.
    """
    content = read_json(path)
    found = sorted(content) if isinstance(content, dict) else type(content).__name__
    for key in ("images", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise ValueError(
                f"annotation file '{path}' has no list {key!r} (found: {found}): it must be in COCO's instance format; "
                "tools/dataset_converters writes it from other formats"
            )
    if not content["images"]:
        raise ValueError(f"annotation file '{path}' lists no images")
    for image in content["images"]:
        if isinstance(image, dict) and "\\" in str(image.get("file_name")):
            image["file_name"] = image["file_name"].replace("\\", "/")
    return content


def in_cocos_form(content: Mapping[str, Any], path: str, boxes: bool = True) -> CocoFile:
    """Bring the content of a file into COCO's form; it is not changed itself.

    - Annotations need ``bbox`` and ``area`` if ``boxes``; one without ``iscrowd`` is no crowd.
    - Annotations are numbered anew unless all ids are positive integers: pycocotools takes 0 for "not matched".
    - A polygon may be a flat list of numbers, or a list of points. Parts of fewer than 3 points, or of an odd number of
      coordinates, are left out; of a mask of which nothing is left, there is no ``segmentation``.

    Raises:
        ValueError: For a key that is missing, or a value of another kind; names file, key, the first id and the value.
    """
    where = f"annotation file '{path}'"
    images, categories = content["images"], content["categories"]
    annotations = content.get("annotations") or []
    for kind, items in (("images", images), ("categories", categories), ("annotations", annotations)):
        _check(where, kind, "", items, lambda item: isinstance(item, dict), "an object")
    for key, good, wanted in (
        ("id", _is_id, "an integer or a text"),
        ("file_name", lambda value: isinstance(value, str), "a text"),
        ("height", _is_size, "a positive number"),
        ("width", _is_size, "a positive number"),
    ):
        _check(where, "images", key, images, good, wanted)
    _check(where, "categories", "id", categories, _is_integer, "an integer")
    _check(where, "categories", "name", categories, lambda value: isinstance(value, (str, int)), "a text")
    kinds = {type(image["id"]) for image in images}
    if len(kinds) > 1:
        raise ValueError(f"{where}: some images have an id that is a number, others a text: they must be of one kind")
    of_image = kinds.pop()
    _check(where, "annotations", "id", annotations, _is_id, "an integer or a text")
    _check(where, "annotations", "image_id", annotations, lambda value: type(value) is of_image, _ID[of_image])
    _check(where, "annotations", "category_id", annotations, _is_integer, "an integer")
    if boxes:
        _check(where, "annotations", "bbox", annotations, _is_box, "4 numbers, [x, y, width, height] in pixels")
        _check(where, "annotations", "area", annotations, _is_number, "a number")
    crowds = [each for each in annotations if each.get("iscrowd") is not None]
    _check(where, "annotations", "iscrowd", crowds, lambda value: value in (0, 1), "0 or 1")
    cleaned, notes = _clean(where, annotations, {image["id"]: (image["height"], image["width"]) for image in images})
    named = [{**each, "name": str(each["name"])} for each in categories]
    return CocoFile({**content, "categories": named, "annotations": cleaned}, notes)


_ID: Mapping[type, str] = {int: "an integer, as images' ids are", str: "a text, as images' ids are"}


def _check(where: str, kind: str, key: str, items: Sequence[Any], good: Callable[[Any], bool], wanted: str) -> None:
    """Every item must have the key, with a good value; without a key, be good itself."""
    lacking = sum(key not in item for item in items) if key else 0
    if lacking:
        raise ValueError(f"{where}: {lacking:,} of {len(items):,} {kind} have no {key!r}{_HINTS.get(key, '')}: add it")
    wrong = [item for item in items if not good(item[key] if key else item)]
    if not wrong:
        return
    first, one = wrong[0], {"categories": "category"}.get(kind, kind[:-1])
    if not key:
        raise ValueError(f"{where}: {len(wrong):,} of {len(items):,} {kind} are not {wanted}, the first is {first!r}")
    raise ValueError(
        f"{where}: in {len(wrong):,} of {len(items):,} {kind}, {key!r} is not {wanted}; the first is {one} "
        f"{first.get('id')!r} with {first[key]!r}"
    )


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_id(value: Any) -> bool:
    return _is_integer(value) or isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_size(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_box(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 4 and all(map(_is_number, value))


def _clean(
    where: str, annotations: Sequence[dict], sizes: Mapping[Any, tuple[int, int]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The annotations with a number, ``iscrowd`` and a mask that can be painted or none; and what was left out."""
    renumber = not all(_is_integer(each["id"]) and each["id"] > 0 for each in annotations)
    cleaned, dropped, first = [], 0, None
    for number, each in enumerate(annotations, start=1):
        mask, parts = None, 0
        if each.get("segmentation"):
            try:
                mask, parts = clean_mask(each["segmentation"], sizes.get(each["image_id"]))
            except ValueError as error:
                raise ValueError(f"{where}: the segmentation of annotation {each['id']!r} {error}") from None
        if parts:
            dropped, first = dropped + parts, each["id"] if first is None else first
        new = {**each, "iscrowd": int(each.get("iscrowd") or 0)}
        if renumber:
            new["id"] = number
        if mask is None:
            new.pop("segmentation", None)
        else:
            new["segmentation"] = mask
        cleaned.append(new)
    if not dropped:
        return cleaned, []
    return cleaned, [
        f"{where}: {counted(dropped, 'part')} of polygons left out, of fewer than 3 points or an odd number of "
        f"coordinates; the first is of annotation {first!r}"
    ]


def clean_mask(segmentation: Any, size: tuple[int, int] | None = None) -> tuple[Any, int]:
    """A mask as pycocotools takes it.

    Args:
        segmentation: Polygons, or run lengths.
        size: (H, W) of the image, if it is known.

    Returns:
        Polygons of at least 3 points, or run lengths; None if nothing is left. And the number of parts left out.

    Raises:
        ValueError: If it is something else, or run lengths are of another size than the image.
    """
    if isinstance(segmentation, dict):
        return _checked_run_lengths(segmentation, size), 0
    if not isinstance(segmentation, list):
        raise ValueError(f"is neither a list of polygons nor run lengths: {segmentation!r}")
    if all(isinstance(part, (int, float)) for part in segmentation):
        parts = [segmentation]
    elif len(segmentation) * 2 >= _LEAST and all(isinstance(part, list) and len(part) == 2 for part in segmentation):
        parts = [[value for point in segmentation for value in point]]
    else:
        parts = segmentation
    for part in parts:
        try:
            finite = math.isfinite(sum(part))  # of anything but numbers, there is no sum
        except TypeError:
            finite = False
        if not finite:
            raise ValueError(f"has a part that is no list of numbers: {part!r}")
    kept = [part for part in parts if len(part) >= _LEAST and len(part) % 2 == 0]
    return kept or None, len(parts) - len(kept)


def _checked_run_lengths(mask: dict, size: tuple[int, int] | None) -> dict:
    counts, own = mask.get("counts"), mask.get("size")
    if not isinstance(counts, (list, str, bytes)) or not isinstance(own, (list, tuple)) or len(own) != 2:
        raise ValueError(f"is no run lengths with 'size' and 'counts': {sorted(mask)}")
    if size is not None and tuple(own) != tuple(size):
        raise ValueError(f"has run lengths of {tuple(own)} (H, W), the image is {tuple(size)}")
    return mask
