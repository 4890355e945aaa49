"""What MIRL and MAE share: pixels as the target, and the loss over groups of components."""

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from ..backbones import PlainBackbone
from ..layers import take_patches
from ..layers.rows import at_least_float32
from .base import Pretrainer
from .random_masking import Masking

Group = tuple[Tensor, ...]


class MaskedPretrainer(Pretrainer):
    """Masked-image pre-training of a plain Vision Transformer: pixels of the masked patches are predicted.

    A method is defined by its *components*, predictions of the patches, in groups: the sum of a group's components is
    compared with the target. MIRL has a group per pair of segments (main and residual), MAE one group of one.

    Args:
        backbone: Config of a :class:`~mirl_mm.DeepViT` or another plain backbone with a class token, or the module.
        norm_target: Normalise each target patch by its own mean and unbiased variance.
        **kwargs: ``mask_ratio``, ``data_preprocessor``, ``init_cfg`` of :class:`Pretrainer`.

    Raises:
        ValueError: If the mask ratio is outside (0, 1) or leaves no patch visible or masked, if the backbone has no
            class token or has windows, or if its images are not of whole patches.
    """

    #: Added to a target patch's variance (MAE ``norm_pix_loss``; MIRL's code has the same).
    target_eps = 1e-6

    compiled_methods = {"project": "embeddings", "target": "target", "terms": "losses"}

    def __init__(self, backbone: dict | PlainBackbone, *, norm_target: bool = True, **kwargs: Any) -> None:
        super().__init__(backbone, **kwargs)
        kind = type(self.backbone).__name__
        if not self.backbone.has_class_token:
            raise ValueError(f"pre-training needs a backbone with a class token, which this {kind} lacks")
        if getattr(self.backbone, "window_size", None) is not None:
            raise ValueError(
                f"pre-training sees some of the patches, which have no windows: the {kind}'s window_size must be None"
            )
        (rows, columns), (height, width) = self.patch_size, self.backbone.img_size
        if (self.grid[0] * rows, self.grid[1] * columns) != (height, width):
            raise ValueError(
                f"pre-training needs images of whole patches, and the {kind} pads or resizes its images of {height} x "
                f"{width} to {self.grid[0]} x {self.grid[1]} patches of {rows} x {columns}: choose an img_size "
                "that they divide, and no map_stride"
            )
        self.patch_dims = math.prod(self.patch_size) * self.backbone.in_channels
        self.norm_target = norm_target

    @abstractmethod
    def components(self, images: Tensor, masking: Masking, everywhere: bool = False) -> list[Group]:
        """Predictions, group by group.

        Args:
            images: ``(B, 3, H, W)``, normalised.
            masking: The batch's masks.
            everywhere: Predict all patches rather than the masked ones.

        Returns:
            Groups of ``(B, M, p*p*3)`` in the order of ``masking.ids_mask``, or of ``(B, L, p*p*3)`` in image order.
        """

    def image_losses(self, images: Tensor, masking: Masking) -> Tensor:
        """The error of each group's sum: ``(groups, B)``."""
        return self.terms(self.components(images, masking), self.target(images, masking))

    def outputs(self, images: Tensor, masking: Masking) -> tuple[list[Group], Tensor]:
        """The groups of components at all patches, ``(B, L, p*p*3)`` each, and the mask ``(B, L)``."""
        return self.components(images, masking, everywhere=True), masking.mask

    def project(self, norm: nn.Module, embed: nn.Module, tokens: Tensor) -> Tensor:
        """An encoder's tokens as a decoder takes them: ``(B, N, C)`` -> ``(B, N, D)``."""
        return embed(norm(tokens))

    def target(self, images: Tensor, masking: Masking) -> Tensor:
        """Pixels that are to be predicted: ``(B, M, p*p*3)`` float32 or better, order (row, column, channel)."""
        patches = take_patches(at_least_float32(images), masking.ids_mask, self.patch_size)
        patches = patches.permute(0, 1, 3, 4, 2).flatten(2)
        if not self.norm_target:
            return patches
        mean, std = self.patch_statistics(patches)
        return (patches - mean) / std

    def patch_statistics(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each patch: ``(B, N, p*p*3)`` -> two ``(B, N, 1)``."""
        mean, var = patches.mean(dim=-1, keepdim=True), patches.var(dim=-1, keepdim=True)
        return mean, (var + self.target_eps).sqrt()

    def terms(self, groups: list[Group], target: Tensor) -> Tensor:
        """Mean squared error of each group's sum, in float32 or better under any autocast: ``(groups, B)``."""
        errors = []
        for group in groups:
            total = sum(at_least_float32(part) for part in group)
            errors.append((total - target).square().mean(dim=(1, 2)))
        return torch.stack(errors)
