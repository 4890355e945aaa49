"""What a data set's pipeline gives, as pictures: masks, labels, boxes and regions as they go into the model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mirl_mm.registry import SAMPLE_PICTURES

from .palette import class_palette


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
    """Draw what a pipeline gives, as the first wing does that knows such a sample; else the image and its label.

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
    SAMPLE_PICTURES.import_from_location()
    for draw in SAMPLE_PICTURES.module_dict.values():
        picture = draw(sample, image, looks, side)
        if picture is not None:
            return picture
    info = sample.get("data_samples")
    label = None if info is None else info.get("gt_label")
    return Picture(image, size_text(image) if label is None else f"{looks.name(label)}, {size_text(image)}")


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


def size_text(image: np.ndarray) -> str:
    """``"480 × 640"``: height and width."""
    return f"{image.shape[0]} × {image.shape[1]}"
