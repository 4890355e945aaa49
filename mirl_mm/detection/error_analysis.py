"""A detector's confusion matrix, and what it misses by object size."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: COCO's limits of an object's area in pixels.
SIZES = (("small", 0.0, 32.0**2), ("medium", 32.0**2, 96.0**2), ("large", 96.0**2, float("inf")))


class Errors(NamedTuple):
    """Counts of a detector's hits and errors.

    Attributes:
        matrix: ``(C + 1, C + 1)``, true class by predicted class; the last row holds detections of background, the last
            column objects that were missed.
        by_size: For each of COCO's sizes, its objects: ``found`` with the right class, ``confused``, ``missed``.
    """

    matrix: NDArray[np.int64]
    by_size: dict[str, dict[str, int]]


def count_errors(
    truth: dict[str, Any], results: Sequence[dict], score_thr: float = 0.3, iou_thr: float = 0.5
) -> Errors:
    """Match detections and objects by their boxes, whatever their classes, and count.

    In each image the best-scored detection takes the object it overlaps most, among those of its own class first, if by
    ``iou_thr`` at least. Crowds are no objects, and what lies on them is no error (half of the detection's area).

    Args:
        truth: Content of an annotation file.
        results: COCO's results: ``image_id``, ``category_id``, ``bbox`` and ``score``.
        score_thr: Detections below don't count.
        iou_thr: Least overlap.

    Raises:
        ValueError: If the results are of other images or categories.
    """
    column = {category["id"]: i for i, category in enumerate(truth["categories"])}
    images = {image["id"] for image in truth["images"]}
    unknown = next((r for r in results if r["image_id"] not in images or r["category_id"] not in column), None)
    if unknown is not None:
        raise ValueError(
            f"a result of image {unknown['image_id']}, category {unknown['category_id']} is not of this annotation "
            "file, which lists neither or only one of them: give the file with which the results were made"
        )
    objects, detections = defaultdict(list), defaultdict(list)
    for annotation in truth["annotations"]:
        objects[annotation["image_id"]].append(annotation)
    for result in results:
        if result["score"] >= score_thr:
            detections[result["image_id"]].append(result)
    last = len(column)
    matrix = np.zeros((last + 1, last + 1), dtype=np.int64)
    by_size = {name: {"found": 0, "confused": 0, "missed": 0} for name, _, _ in SIZES}
    for image in images:
        crowds = [o for o in objects[image] if o.get("iscrowd")]
        single = [o for o in objects[image] if not o.get("iscrowd")]
        found = sorted(detections[image], key=lambda d: -d["score"])
        taken = _match(single, found, iou_thr)
        on_crowd: Any = (_iou(found, crowds, crowd=True) >= 0.5).any(axis=1)
        for i, detection in enumerate(found):
            if i not in taken and not on_crowd[i]:
                matrix[last, column[detection["category_id"]]] += 1
        of_object = {j: found[i] for i, j in taken.items()}
        for j, each in enumerate(single):
            row, hit = column[each["category_id"]], of_object.get(j)
            predicted = last if hit is None else column[hit["category_id"]]
            matrix[row, predicted] += 1
            size = next(name for name, low, high in SIZES if low <= each["area"] < high)
            by_size[size]["missed" if hit is None else "found" if predicted == row else "confused"] += 1
    return Errors(matrix, by_size)


def _match(objects: list[dict], detections: list[dict], iou_thr: float) -> dict[int, int]:
    """Index of a detection -> index of its object."""
    shared = _iou(detections, objects)
    labels = [np.array([item["category_id"] for item in items]) for items in (detections, objects)]
    same = labels[0][:, None] == labels[1]
    taken: dict[int, int] = {}
    for allowed in (same, ~same):  # an object is confused only if no detection of its own class has found it
        for i in range(len(detections)):
            free = [j for j in range(len(objects)) if allowed[i, j] and j not in taken.values()]
            best = max(free, key=lambda j: shared[i, j], default=None)
            if i not in taken and best is not None and shared[i, best] >= iou_thr:
                taken[i] = best
    return taken


def _iou(detections: list[dict], objects: list[dict], crowd: bool = False) -> NDArray:
    """``(N, M)`` intersections over union, with ``crowd`` over the detection's area (pycocotools)."""
    boxes = [np.array([item["bbox"] for item in items], dtype=np.float64) for items in (detections, objects)]
    if not (detections and objects):
        return np.zeros((len(detections), len(objects)))
    from pycocotools.mask import iou  # which comes with mmdet

    return iou(*boxes, [crowd] * len(objects))
