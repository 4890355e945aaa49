"""What is masked of a data set's sample, drawn."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from mirl_mm.models.pretrainers.random_masking import mask_by_noise, num_visible
from mirl_mm.registry import SAMPLE_PICTURES
from mirl_mm.visualization.samples import Looks, Picture, size_text

_GREY = 128  # what a masked patch is painted with


@SAMPLE_PICTURES.register_module()
def draw_mask(sample: Mapping[str, Any], image: np.ndarray, looks: Looks, side: int) -> Picture | None:
    """The image beside itself with the masked patches grey; None for a sample without masking noise."""
    if "noise" not in sample:
        return None
    return Picture(paint_mask(image, sample["noise"], looks), f"{looks.mask_ratio:.0%} masked, {size_text(image)}")


def paint_mask(image: np.ndarray, noise: Tensor, looks: Looks) -> np.ndarray:
    """An image ``(H, W, 3)`` uint8 beside itself, with the patches grey that ``noise`` ``(L,)`` masks.

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
