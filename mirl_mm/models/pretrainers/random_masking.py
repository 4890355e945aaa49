"""Random masking: which patches an encoder sees."""

from typing import NamedTuple

import torch
from torch import Tensor


class Masking(NamedTuple):
    """A batch's masks. B samples, L patches, K visible, M = L - K masked.

    Attributes:
        ids_keep: ``(B, K)`` indices of the visible patches, by rising noise.
        ids_mask: ``(B, M)`` indices of the masked patches, by rising noise.
        mask: ``(B, L)`` float, 1 = masked, 0 = visible.
    """

    ids_keep: Tensor
    ids_mask: Tensor
    mask: Tensor


def num_visible(num_patches: int, mask_ratio: float) -> int:
    """K = int(L * (1 - r)), as MAE and MIRL round.

    Raises:
        ValueError: If the ratio is outside (0, 1) or leaves no patch visible.
    """
    if not 0 < mask_ratio < 1:
        raise ValueError(f"mask_ratio must lie between 0 and 1, both excluded, got {mask_ratio}")
    visible = int(num_patches * (1 - mask_ratio))
    if not 0 < visible < num_patches:
        raise ValueError(
            f"mask_ratio {mask_ratio} leaves {visible} of {num_patches} patches visible: "
            "choose one that leaves at least one visible and one masked, or larger images"
        )
    return visible


def mask_by_noise(noise: Tensor, visible: int) -> Masking:
    """Keep the ``visible`` patches of smallest noise ``(B, L)`` of each sample."""
    order = noise.argsort(dim=1, stable=True)
    ids_keep, ids_mask = order[:, :visible], order[:, visible:]
    return Masking(ids_keep, ids_mask, torch.ones_like(noise, dtype=torch.float32).scatter_(1, ids_keep, 0.0))
