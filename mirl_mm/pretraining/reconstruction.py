"""Reconstructions: a pre-trainer's predictions as images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import torch
from torch import Tensor, nn

from mirl_mm.models.evaluating import evaluating
from mirl_mm.models.layers.patch import patchify, unpatchify
from mirl_mm.models.pretrainers import MaskedPretrainer
from mirl_mm.visualization.scalars import term_title

GREY = 0.5  # what a masked patch is painted with, and a residual of zero


@dataclass(frozen=True)
class Reconstruction:
    """A batch of images as a pre-trainer sees and completes them.

    A prediction of a normalised target says how a patch's pixels deviate from the patch's mean, in units of its
    standard deviation. To show it, mean and std are taken from the **original** patch, which the model does not
    know. So each patch's brightness and contrast are given; what the model contributes is its colour and structure.

    Attributes:
        images: Title to ``(B, 3, H, W)`` float32 in 0..1. ``original``, ``masked`` (masked patches grey), then for
            each group of predictions ``<group>: main``, ``<group>: residual`` and ``<group>: sum``, the group being
            ``pair 1+6`` for segments 1 and 6. For a method with one prediction (MAE), ``prediction``.
        mask: ``(B, h, w)`` bool, True = masked.
        losses: Name of each group's loss term to ``(B,)``, as in the training log.
        norm_target: Whether predictions were un-normalised by the original's patch statistics.
        pasted: Whether visible patches are the original's (in the residual: grey, nothing) rather than predictions.
    """

    images: dict[str, Tensor]
    mask: Tensor
    losses: dict[str, Tensor]
    norm_target: bool
    pasted: bool

    def __len__(self) -> int:
        return len(self.mask)

    @property
    def caption(self) -> str:
        """What has to be known to read the pictures."""
        return caption(self.norm_target, self.pasted)

    def to(self, device: str | torch.device) -> "Reconstruction":
        """With all tensors on a device."""
        return self._each(lambda tensor: tensor.to(device))

    def split(self) -> list["Reconstruction"]:
        """One for each image."""
        return [self._each(itemgetter(slice(i, i + 1))) for i in range(len(self))]

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Reconstruction":
        images = {title: change(images) for title, images in self.images.items()}
        losses = {name: change(values) for name, values in self.losses.items()}
        return replace(self, images=images, mask=change(self.mask), losses=losses)

    @staticmethod
    def join(parts: Sequence["Reconstruction"]) -> "Reconstruction":
        """Several, by the same model, as one batch."""
        first = parts[0]
        return replace(
            first,
            images={title: torch.cat([part.images[title] for part in parts]) for title in first.images},
            mask=torch.cat([part.mask for part in parts]),
            losses={name: torch.cat([part.losses[name] for part in parts]) for name in first.losses},
        )


def caption(norm_target: bool, pasted: bool) -> str:
    """What has to be known to read pictures of reconstructions, as a sentence or two."""
    scale = (
        "Predictions are un-normalised by the mean and std of the original's patches, which the model does not "
        "know: each patch's brightness and contrast are given, its colour and structure are predicted."
        if norm_target
        else "Predictions are pixels as they are: no statistics of the original are used."
    )
    visible = (
        "Visible patches are the original's." if pasted else "Visible patches are predictions, too, and never trained."
    )
    return f"{scale} {visible} A residual is what is added to main; grey is nothing."


def reconstruct(model: MaskedPretrainer, images: Tensor, noise: Tensor, paste_visible: bool = True) -> Reconstruction:
    """Let a pre-trainer complete masked images, and make everything visible.

    The model is put into evaluation mode for the while and no random number is drawn, so calling this during training
    changes nothing.

    Args:
        model: A :class:`~mirl_mm.MIRL` or :class:`~mirl_mm.MAE`.
        images: ``(B, 3, H, W)``, normalised as the model takes them.
        noise: ``(B, L)``; the K patches of smallest noise of each image stay visible.
        paste_visible: Show the original at visible patches of main and sum, and nothing in the residual's: predictions
            of visible patches have no part in the loss and mean nothing. With False they are shown.
    """
    with evaluating(model):
        groups, mask = model(images, mode="tensor", noise=noise)
    display = _Display(model, images.float(), mask, paste_visible)
    pictures = {"original": display.original(), "masked": display.masked()}
    losses = {}
    for name, group in zip(model.term_names, groups, strict=True):
        parts = [part.float() for part in group]
        total = torch.stack(parts).sum(dim=0)
        losses[name] = display.loss(total)
        if len(parts) == 1:
            pictures["prediction" if len(groups) == 1 else term_title(name)] = display.prediction(total)
            continue
        title = term_title(name)
        pictures[f"{title}: main"] = display.prediction(parts[0])
        pictures[f"{title}: residual"] = display.difference(total - parts[0])
        pictures[f"{title}: sum"] = display.prediction(total)
    return Reconstruction(pictures, mask.bool().unflatten(1, model.grid), losses, model.norm_target, paste_visible)


class _Display:
    """Patches of a batch in the model's units -> images in 0..1.

    Args:
        model: For the patch geometry, the normalisation of pixels and that of targets.
        images: ``(B, 3, H, W)``, normalised.
        mask: ``(B, L)``, 1 = masked.
        paste_visible: See :func:`reconstruct`.
    """

    def __init__(self, model: MaskedPretrainer, images: Tensor, mask: Tensor, paste_visible: bool) -> None:
        self.grid, self.patch_size = model.grid, model.patch_size
        self.patches = patchify(images, self.patch_size)  # (B, L, p*p*3)
        self.mask = mask[..., None].bool()
        self.paste_visible = paste_visible
        if model.norm_target:
            self.mean, self.std = model.patch_statistics(self.patches)
        else:
            self.mean, self.std = images.new_zeros(()), images.new_ones(())
        self.pixel_mean, self.pixel_std = _pixel_statistics(model)

    def original(self) -> Tensor:
        return self._to_images(self.patches)

    def masked(self) -> Tensor:
        return self._to_images(self.patches, at_visible=None, at_masked=GREY)

    def prediction(self, values: Tensor) -> Tensor:
        """Of target values ``(B, L, p*p*3)``."""
        pixels = values * self.std + self.mean
        return self._to_images(pixels.where(self.mask, self.patches) if self.paste_visible else pixels)

    def difference(self, values: Tensor) -> Tensor:
        """Of something to be added to target values, ``(B, L, p*p*3)``, around mid-grey."""
        scaled = unpatchify(values * self.std, self.grid, self.patch_size) * self.pixel_std / 255 + GREY
        return self._fill(scaled, GREY if self.paste_visible else None, None).clamp(0, 1)

    def loss(self, total: Tensor) -> Tensor:
        """Mean squared error at the masked patches: ``(B,)``."""
        error = (total - (self.patches - self.mean) / self.std).square().mean(dim=-1)
        mask = self.mask[..., 0]
        return error.where(mask, 0).sum(dim=1) / mask.sum(dim=1)

    def _to_images(self, patches: Tensor, at_visible: float | None = None, at_masked: float | None = None) -> Tensor:
        pixels = unpatchify(patches, self.grid, self.patch_size) * self.pixel_std + self.pixel_mean
        return self._fill(pixels / 255, at_visible, at_masked).clamp(0, 1)

    def _fill(self, images: Tensor, at_visible: float | None, at_masked: float | None) -> Tensor:
        mask = unpatchify(self.mask.expand_as(self.patches), self.grid, self.patch_size)
        for where, value in ((~mask, at_visible), (mask, at_masked)):
            if value is not None:
                images = images.masked_fill(where, value)
        return images


def _pixel_statistics(model: nn.Module) -> tuple[Tensor | float, Tensor | float]:
    """Mean and std, in grey levels, with which the model's data preprocessor normalises pixels."""
    preprocessor = model.data_preprocessor
    if getattr(preprocessor, "_enable_normalize", False):
        return preprocessor.mean, preprocessor.std  # type: ignore[return-value]
    return 0.0, 1.0
