"""What MIRL and MAE share: masking, the target, the loss over groups of components, the three modes."""

import math
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from mirl_mm.registry import MODELS
from mirl_mm.structures import DataSample

from ..backbones import FromPretrained, PlainBackbone
from ..layers import take_patches
from ..layers.rows import at_least_float32
from .masking import Masking, mask_by_noise, num_visible

Group = tuple[Tensor, ...]


class MaskedPretrainer(FromPretrained, BaseModel, metaclass=ABCMeta):
    """Masked-image pre-training of a plain Vision Transformer.

    A method is defined by its *components*, predictions of the patches, in groups: the sum of a group's components is
    compared with the target. MIRL has a group per pair of segments (main and residual), MAE one group of one.

    Args:
        backbone: Config of a :class:`~mirl_mm.DeepViT` or another plain backbone with a class token, or the module.
        mask_ratio: Share r of masked patches; K = int(L * (1 - r)) stay visible.
        norm_target: Normalise each target patch by its own mean and unbiased variance.
        data_preprocessor: mmengine's; see ``configs/_base_/datasets``.
        init_cfg: mmengine's.

    Raises:
        ValueError: If the mask ratio is outside (0, 1) or leaves no patch visible or masked, or if the backbone has no
            class token.
    """

    #: Added to a target patch's variance (MAE ``norm_pix_loss``; MIRL's code has the same).
    target_eps = 1e-6

    def __init__(
        self,
        backbone: dict | PlainBackbone,
        mask_ratio: float = 0.75,
        norm_target: bool = True,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone: PlainBackbone = MODELS.build(backbone) if isinstance(backbone, dict) else backbone
        kind = type(self.backbone).__name__
        if not self.backbone.has_class_token:
            raise ValueError(f"pre-training needs a backbone with a class token, which this {kind} lacks")
        self.grid = self.backbone.grid
        (rows, columns), (height, width) = self.backbone.patch_size, self.backbone.img_size
        if (self.grid[0] * rows, self.grid[1] * columns) != (height, width):
            raise ValueError(
                f"pre-training needs images of whole patches, and the {kind} pads or resizes its images of {height} x "
                f"{width} to {self.grid[0]} x {self.grid[1]} patches of {rows} x {columns}: choose an img_size "
                "that they divide, and no map_stride"
            )
        self.num_patches = self.grid[0] * self.grid[1]
        self.patch_size = self.backbone.patch_size
        self.patch_dims = math.prod(self.patch_size) * self.backbone.in_channels
        self.mask_ratio = mask_ratio
        self.norm_target = norm_target
        self.visible = num_visible(self.num_patches, mask_ratio)

    @property
    @abstractmethod
    def term_names(self) -> Sequence[str]:
        """A name for each group's loss, for the log."""

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

    def forward(
        self,
        inputs: Tensor,
        data_samples: list[DataSample] | None = None,
        mode: str = "tensor",
        noise: Tensor | None = None,
    ) -> Any:
        """Run the model as mmengine's runner does, or by hand.

        Args:
            inputs: ``(B, 3, H, W)``, normalised.
            data_samples: One per image; only ``predict`` uses them.
            mode: ``"loss"``: dict with ``loss`` and each group's term under its name, scalars.
                ``"predict"``: the data samples with ``losses``, a dict of term name to that image's scalar, and
                ``mask`` ``(L,)``, 1 = masked.
                ``"tensor"``: the groups of components at all patches, ``(B, L, p*p*3)`` each, and the mask ``(B, L)``.
            noise: ``(B, L)``; the K patches of smallest noise stay visible. Default: drawn uniformly.

        Raises:
            ValueError: For another mode, or sizes that do not fit the model.
        """
        masking = self.make_masking(inputs, noise)
        if mode == "tensor":
            return self.components(inputs, masking, everywhere=True), masking.mask
        if mode not in ("loss", "predict"):
            raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")
        terms = self.terms(self.components(inputs, masking), self.target(inputs, masking))  # (groups, B)
        if mode == "loss":
            means = terms.mean(dim=1)
            names = self.term_names if len(self.term_names) > 1 else ()
            return {"loss": means.mean(), **{name: means[i].detach() for i, name in enumerate(names)}}
        samples = data_samples if data_samples is not None else [DataSample() for _ in inputs]
        for i, sample in enumerate(samples):
            sample.set_data({"losses": dict(zip(self.term_names, terms[:, i], strict=True)), "mask": masking.mask[i]})
        return samples

    def project(self, norm: nn.Module, embed: nn.Module, tokens: Tensor) -> Tensor:
        """An encoder's tokens as a decoder takes them: ``(B, N, C)`` -> ``(B, N, D)``."""
        return embed(norm(tokens))

    def make_masking(self, images: Tensor, noise: Tensor | None = None) -> Masking:
        """Masks for a batch ``(B, 3, H, W)`` from ``noise`` ``(B, L)``, drawn on the images' device by default."""
        if tuple(images.shape[-2:]) != self.backbone.img_size:
            raise ValueError(
                f"the model was built for images of {self.backbone.img_size} (H, W), got {tuple(images.shape[-2:])}: "
                "change the pipeline's size or the backbone's img_size"
            )
        shape = (images.shape[0], self.num_patches)
        if noise is None:
            noise = torch.rand(shape, device=images.device)
        elif tuple(noise.shape) != shape:
            raise ValueError(
                f"noise must be {shape} (batch, patches), got {tuple(noise.shape)}: "
                f"is the pipeline's MaskNoise made for patches of {self.patch_size}?"
            )
        return mask_by_noise(noise, self.visible)

    def target(self, images: Tensor, masking: Masking) -> Tensor:
        """Pixels that are to be predicted: ``(B, M, p*p*3)`` float32 or better, order (row, column, channel)."""
        patches = take_patches(at_least_float32(images), masking.ids_mask, self.patch_size)
        patches = patches.permute(0, 1, 3, 4, 2).flatten(2)
        if not self.norm_target:
            return patches
        mean, std = self.patch_statistics(patches)
        return (patches - mean) / std

    def patch_statistics(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each patch: ``(B, N, p*p*3)`` -> two ``(B, N, 1)``."""
        mean, var = patches.mean(dim=-1, keepdim=True), patches.var(dim=-1, keepdim=True)
        return mean, (var + self.target_eps).sqrt()

    def terms(self, groups: list[Group], target: Tensor) -> Tensor:
        """Mean squared error of each group's sum, in float32 or better under any autocast: ``(groups, B)``."""
        errors = []
        for group in groups:
            total = sum(at_least_float32(part) for part in group)
            errors.append((total - target).square().mean(dim=(1, 2)))
        return torch.stack(errors)
