"""What a data set's pipeline gives, as pictures: masks, labels, boxes and regions as they go into the model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mirl_mm.models.pretrainers.masking import mask_by_noise, num_visible
from mirl_mm.text import counted

from .boxes import Instance, draw_instances
from .palette import class_palette
from .regions import paint_regions

_GREY = 128  # what a masked patch is painted with


class Looks(NamedTuple):
    """What a picture needs to know beyond the sample.

    Attributes:
        classes: Names in the order of labels; empty if they aren't known.
        bgr: Whether the pipeline's channels are blue, green, red, as mmdet's are.
        patch_size: (rows, columns) of a patch, for masks.
        mask_ratio: Share of masked patches.
        ignore_index: Label of pixels without one.
        palette: RGB of each class; empty for :func:`~mirl_mm.visualization.palette.class_colour`.
    """

    classes: Sequence[str] = ()
    bgr: bool = False
    patch_size: tuple[int, int] = (16, 16)
    mask_ratio: float = 0.75
    ignore_index: int = 255
    palette: Sequence[Sequence[int]] = ()

    def name(self, label: int) -> str:
        """A class's name."""
        return self.classes[label] if label < len(self.classes) else f"class {label}"


class Picture(NamedTuple):
    """A sample drawn.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB.
        caption: A line about it.
        labels: Of the regions in it, which are told apart by colour alone; empty for other tasks.
    """

    image: np.ndarray
    caption: str
    labels: Sequence[int] = ()


def draw_sample(sample: Mapping[str, Any], looks: Looks, side: int = 384) -> Picture:
    """Draw what a pipeline gives, whatever the task.

    Args:
        sample: ``inputs`` (3, H, W), maybe ``noise`` (L,), and ``data_samples``.
        looks: What else has to be known.
        side: About the longer side of the picture in pixels, where something is drawn into it.

    Raises:
        ValueError: If there are no ``inputs``, or their values are no grey levels.
    """
    if "inputs" not in sample:
        raise ValueError(
            f"the pipeline gives {', '.join(sample)}, and no inputs: it must end with PackInputs, or a packing step of "
            "mmdet's or mmseg's"
        )
    image = to_pixels(sample["inputs"], looks.bgr)
    info = sample.get("data_samples")
    if "noise" in sample:
        return Picture(paint_mask(image, sample["noise"], looks), f"{looks.mask_ratio:.0%} masked, {_size(image)}")
    if info is not None and "gt_instances" in info:
        instances = _instances(info, looks)
        drawn = draw_instances(image, instances, (side, side))
        return Picture(drawn, f"{counted(len(instances), 'object')}, {_size(image)}")
    if info is not None and "gt_sem_seg" in info:
        regions = info.gt_sem_seg
        labels = (regions.data if "data" in regions else regions.sem_seg).squeeze(0).numpy()  # mmseg's, mmdet's name
        present = np.unique(labels[labels != looks.ignore_index]).tolist()
        return Picture(_tinted(image, labels, looks), _regions(labels, looks), present)
    label = None if info is None else info.get("gt_label")
    return Picture(image, _size(image) if label is None else f"{looks.name(label)}, {_size(image)}")


def legend_of(labels: Iterable[int], looks: Looks) -> list[tuple[Sequence[int], str]]:
    """Colour and name of each class, by label."""
    wanted = sorted(set(labels))
    if not wanted:
        return []
    colours = class_palette(max([len(looks.palette), *(label + 1 for label in wanted)]), looks.palette)
    return [(colours[label].tolist(), looks.name(label)) for label in wanted]


def to_pixels(image: Tensor, bgr: bool = False) -> np.ndarray:
    """``(3, H, W)`` grey levels -> ``(H, W, 3)`` uint8 RGB.

    Raises:
        ValueError: For values that are no grey levels, such as normalised ones.
    """
    if image.is_floating_point():
        low, high = float(image.min()), float(image.max())
        if low < -64 or high > 320 or high - low < 16:
            raise ValueError(
                f"the pipeline gives values from {low:.3g} to {high:.3g}, no grey levels: leave normalisation "
                "to the model's data_preprocessor"
            )
        image = image.round().clamp(0, 255).to(torch.uint8)
    pixels = image.permute(1, 2, 0).numpy()
    return np.ascontiguousarray(pixels[..., ::-1] if bgr else pixels)


def paint_mask(image: np.ndarray, noise: Tensor, looks: Looks) -> np.ndarray:
    """The image beside itself with the masked patches grey.

    Args:
        image: ``(H, W, 3)`` uint8.
        noise: ``(L,)``, as the pipeline draws it.
        looks: For patches and the mask ratio.

    Raises:
        ValueError: If there is not a number for each patch.
    """
    rows, columns = looks.patch_size
    grid = image.shape[0] // rows, image.shape[1] // columns
    if noise.numel() != grid[0] * grid[1]:
        raise ValueError(
            f"{noise.numel()} numbers for {grid[0]} x {grid[1]} patches of {rows} x {columns}: MaskNoise's patch_size "
            "and that of the model must agree"
        )
    mask = mask_by_noise(noise[None], num_visible(noise.numel(), looks.mask_ratio)).mask[0].view(grid).numpy()
    masked = image.copy()
    masked[np.kron(mask, np.ones((rows, columns))).astype(bool)] = _GREY
    gap = np.full((len(image), max(image.shape[1] // 56, 2), 3), 255, dtype=np.uint8)
    return np.concatenate([image, gap, masked], axis=1)


def _instances(info: Any, looks: Looks) -> list[Instance]:
    """Objects of a data sample of mmdet's, the ignored ones too."""
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


def _tinted(image: np.ndarray, labels: np.ndarray, looks: Looks) -> np.ndarray:
    known = labels != looks.ignore_index
    number = max(len(looks.palette), int(labels.max(where=known, initial=0)) + 1)
    return paint_regions(image, labels, class_palette(number, looks.palette), known=known)


def _regions(labels: np.ndarray, looks: Looks) -> str:
    """The largest classes by name."""
    present, counts = np.unique(labels[labels != looks.ignore_index], return_counts=True)
    return ", ".join(looks.name(int(present[i])) for i in np.argsort(-counts)[:3])


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]} × {image.shape[1]}"
