"""A segmentation beside its image: colours over it, and a legend with areas."""

from collections.abc import Mapping, Sequence

import numpy as np

from mirl_mm.visualization.regions import Entry, draw_regions, paint_regions, panel_size, resize_image, resize_labels

_IGNORED = 255


def draw_segmentation(
    image: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    palette: np.ndarray,
    truth: np.ndarray | None = None,
    iou: Mapping[int, float] | None = None,
    opacity: float = 0.5,
    title: str = "",
) -> np.ndarray:
    """The image, its segmentation, the true one if it is known, and a legend of the classes that are there.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        labels: ``(H, W)``, class indices.
        names: Of all classes.
        palette: ``(C, 3)`` uint8 RGB.
        truth: ``(H, W)``, true labels; 255 where there is none.
        iou: Intersection over union of each class that is in one of them, in 0..1.
        opacity: How much of a class's colour covers the image, 0..1.
        title: Goes on top.

    Returns:
        ``(height, width, 3)`` uint8 RGB.
    """
    size = panel_size(image.shape[:2])
    small = resize_image(image, size)
    panels = [("image", small)]
    areas = [np.bincount(labels.ravel(), minlength=len(names)) / labels.size]
    panels.append(("segmentation", paint_regions(small, resize_labels(labels, size), palette, opacity)))
    headings = ["area"]
    if truth is not None:
        shown = resize_labels(truth, size)
        panels.append(("ground truth", paint_regions(small, shown, palette, opacity, shown != _IGNORED)))
        areas.append(np.bincount(truth[truth != _IGNORED], minlength=len(names)) / truth.size)
        headings += ["true area", "IoU"]
    order = np.argsort(-np.max(areas, axis=0), kind="stable")
    legend = []
    for label in order[np.max(areas, axis=0)[order] > 0].tolist():
        numbers = [_percent(area[label]) for area in areas]
        if truth is not None:
            numbers.append(f"{iou[label]:.2f}" if iou and label in iou else "")
        legend.append(Entry(palette[label].tolist(), names[label], numbers))
    if iou:
        title = f"{title}   mean IoU {np.mean(list(iou.values())):.2f}"
    return draw_regions(panels, legend, headings, title)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share == 0 or share >= 0.0005 else "<0.1%"
