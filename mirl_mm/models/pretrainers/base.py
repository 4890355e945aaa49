"""What all pre-trainers share: the backbone, masks from noise, the three modes. What is learnt from is the method's."""

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor

from mirl_mm.registry import MODELS
from mirl_mm.structures import DataSample

from ..backbones import FromPretrained, PlainBackbone
from .random_masking import Masking, mask_by_noise, num_visible


class Pretrainer(FromPretrained, BaseModel, metaclass=ABCMeta):
    """Self-supervised pre-training of a plain Vision Transformer on images of which it sees a part.

    A method is defined by the losses of each image (:meth:`image_losses`) and their names. Pixels are what a
    :class:`~mirl_mm.models.pretrainers.MaskedPretrainer` predicts; other methods derive from this class.

    Args:
        backbone: Config of a :class:`~mirl_mm.DeepViT` or another plain backbone, or the module.
        mask_ratio: Share r of masked patches; K = int(L * (1 - r)) stay visible.
        data_preprocessor: mmengine's; see ``configs/_base_/datasets``.
        init_cfg: mmengine's.

    Raises:
        ValueError: If the mask ratio is outside (0, 1) or leaves no patch visible or masked.
    """

    #: Images of a batch have one size, the backbone\'s.
    fixed_image_size = True

    #: Methods that are compiled where a training is, each as one graph, and what the log calls them.
    compiled_methods: Mapping[str, str] = {}

    def __init__(
        self,
        backbone: dict | PlainBackbone,
        mask_ratio: float = 0.75,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone: PlainBackbone = MODELS.build(backbone) if isinstance(backbone, dict) else backbone
        self.grid = self.backbone.grid
        self.num_patches = self.grid[0] * self.grid[1]
        self.patch_size = self.backbone.patch_size
        self.mask_ratio = mask_ratio
        self.visible = num_visible(self.num_patches, mask_ratio)

    @property
    @abstractmethod
    def term_names(self) -> Sequence[str]:
        """A name for each of the losses. Logs average those with ``loss``, ``pair`` or ``term`` in their names."""

    @abstractmethod
    def image_losses(self, images: Tensor, masking: Masking) -> Tensor:
        """The losses of each image, in float32 or better under any autocast.

        Args:
            images: ``(B, 3, H, W)``, normalised.
            masking: The batch's masks.

        Returns:
            ``(terms, B)``. A training minimises the mean of all.
        """

    def outputs(self, images: Tensor, masking: Masking) -> Any:
        """What mode ``"tensor"`` returns. Default: the tokens of the whole images, ``(B, P + L, C)``."""
        return self.backbone.forward_tokens(images)[-1]

    def after_update(self) -> None:
        """Called after each update of the weights: what follows them, such as a teacher, takes its step here."""

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
            mode: ``"loss"``: dict with ``loss`` and, if there are several, each term under its name, scalars.
                ``"predict"``: the data samples with ``losses``, a dict of term name to that image's scalar, and
                ``mask`` ``(L,)``, 1 = masked.
                ``"tensor"``: see :meth:`outputs`.
            noise: ``(B, L)``; the K patches of smallest noise stay visible. Default: drawn uniformly.

        Raises:
            ValueError: For another mode, or sizes that do not fit the model.
        """
        masking = self.make_masking(inputs, noise)
        if mode == "tensor":
            return self.outputs(inputs, masking)
        if mode not in ("loss", "predict"):
            raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")
        terms = self.image_losses(inputs, masking)
        if mode == "loss":
            means = terms.mean(dim=1)
            names = self.term_names if len(self.term_names) > 1 else ()
            return {"loss": means.mean(), **{name: means[i].detach() for i, name in enumerate(names)}}
        samples = data_samples if data_samples is not None else [DataSample() for _ in inputs]
        for i, sample in enumerate(samples):
            sample.set_data({"losses": dict(zip(self.term_names, terms[:, i], strict=True)), "mask": masking.mask[i]})
        return samples

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
