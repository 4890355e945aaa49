"""Objects of a data set's sample, drawn."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mirl_mm.registry import SAMPLE_PICTURES
from mirl_mm.text import counted
from mirl_mm.visualization.samples import Looks, Picture, size_text

from .draw_instances import Instance, draw_instances


@SAMPLE_PICTURES.register_module()
def draw_objects(sample: Mapping[str, Any], image: np.ndarray, looks: Looks, side: int) -> Picture | None:
    """Boxes and masks of a sample of mmdet's; None for another sample."""
    info = sample.get("data_samples")
    if info is None or "gt_instances" not in info:
        return None
    instances = _instances(info, looks)
    drawn = draw_instances(image, instances, (side, side))
    return Picture(drawn, f"{counted(len(instances), 'object')}, {size_text(image)}")


def _instances(info: Any, looks: Looks) -> list[Instance]:
    """The objects, the ignored ones too."""
    found = []
    for name in ("gt_instances", "ignored_instances"):
        group = info.get(name, None)
        if group is None or "bboxes" not in group:
            continue
        boxes = getattr(group.bboxes, "tensor", group.bboxes).tolist()
        masks = group.masks.to_ndarray().astype(bool) if "masks" in group else [None] * len(boxes)
        for box, label, mask in zip(boxes, group.labels.tolist(), masks, strict=True):
            ignored = name == "ignored_instances"
            text = f"{looks.name(label)} (ignored)" if ignored else looks.name(label)
            found.append(Instance(box, label, text, mask, ignored))
    return found
