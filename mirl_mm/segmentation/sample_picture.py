"""Regions of a data set's sample, drawn."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mirl_mm.registry import SAMPLE_PICTURES
from mirl_mm.visualization.palette import class_palette
from mirl_mm.visualization.regions import paint_regions
from mirl_mm.visualization.samples import Looks, Picture


@SAMPLE_PICTURES.register_module()
def draw_regions(sample: Mapping[str, Any], image: np.ndarray, looks: Looks, side: int) -> Picture | None:
    """Each pixel's class as a tint; None for a sample without such labels."""
    info = sample.get("data_samples")
    if info is None or "gt_sem_seg" not in info:
        return None
    regions = info.gt_sem_seg
    labels = (regions.data if "data" in regions else regions.sem_seg).squeeze(0).numpy()  # mmseg's, mmdet's name
    known = labels != looks.ignore_index
    present, counts = np.unique(labels[known], return_counts=True)
    number = max(len(looks.palette), int(labels.max(where=known, initial=0)) + 1)
    tinted = paint_regions(image, labels, class_palette(number, looks.palette), known=known)
    largest = ", ".join(looks.name(int(present[i])) for i in np.argsort(-counts)[:3])
    return Picture(tinted, largest, present.tolist())
