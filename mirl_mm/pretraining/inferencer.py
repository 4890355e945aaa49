"""See what a pre-trained model makes of masked images."""

import re
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict

from mirl_mm.checkpoint.read_weights import Weights
from mirl_mm.inference.base import Image, ImageInferencer
from mirl_mm.inference.commands import Command, Flag
from mirl_mm.models.pretrainers import MaskedPretrainer
from mirl_mm.registry import INFERENCERS
from mirl_mm.structures import DataSample
from mirl_mm.text import counted

from .draw_reconstruction import reconstruction_grid, to_uint8
from .reconstruction import Reconstruction, caption, reconstruct


@dataclass(frozen=True)
class ReconstructOptions:
    """What calls of :class:`ReconstructInferencer` take besides.

    Attributes:
        seed: Of the masks; image number i has the same mask in every call with the same seed.
        paste_visible: The original at visible patches rather than their untrained predictions.
        rows: Images in a picture. The files are ``reconstruction[_<number>].png``.
    """

    seed: int = 0
    paste_visible: bool = True
    rows: int = 8

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ValueError(f"rows must be at least 1, got {self.rows}")


_OFF = {"action": "store_false", "default": None}


class ReconstructCommand(Command):
    """Reconstructs masked images."""

    flags = (
        Flag("--rows", "images in a picture", 8, {"type": int}),
        Flag("--seed", "of the masks", 0, {"type": int}),
        Flag("--mask-ratio", "share of masked patches", None, {"type": float}, builds=True),
        Flag("--show-untrained", "predictions at visible patches, too", True, {**_OFF, "dest": "paste_visible"}),
    )

    def line(self, item: dict) -> str:
        """The losses."""
        return _losses(item["losses"])

    def notes(self, infer: Any, predictions: Sequence[dict], args: Namespace) -> list[str]:
        """The mean losses, and what the pictures show."""
        names = predictions[0]["losses"]
        means = {name: float(np.mean([item["losses"][name] for item in predictions])) for name in names}
        counts = f"{counted(len(predictions), 'image')}; mean loss: {_losses(means)}"
        return [counts, caption(infer.model.norm_target, args.paste_visible)]


def _losses(losses: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in losses.items())


@INFERENCERS.register_module()
class ReconstructInferencer(ImageInferencer):
    """Original, masked image and the predictions of a MIRL or MAE checkpoint: for each pair main, residual and sum.

    Predictions are shown un-normalised by the mean and std of the **original's** patches, which the model does
    not know; see :class:`~mirl_mm.pretraining.reconstruction.Reconstruction`.

    Calls take what :class:`ImageInferencer` says, and the fields of :class:`ReconstructOptions`.

    Pictures are made by default (``draws``).

    ``predictions`` are dicts of ``img_path`` (None for an array), ``losses`` (loss term to number), ``mask``
    (``(h, w)`` bool, True = masked) and ``images`` (title to ``(H, W, 3)`` uint8; titles are ``original``, ``masked``,
    ``pair 1+6: main``, ``pair 1+6: residual``, ``pair 1+6: sum``, ...; ``prediction`` for MAE). ``plain`` ones have no
    images, and the mask as lists.

    Args:
        *args: As :class:`ImageInferencer` has them.
        mask_ratio: Share of masked patches, in place of the config's.
        **kwargs: Likewise, by name.

    Raises:
        ValueError: For a checkpoint without decoder, and what :class:`ImageInferencer` raises.
    """

    Options = ReconstructOptions
    command = ReconstructCommand
    models, lack, configs = "pre-trained models", "reconstructs nothing", "configs/pretrain"
    draws = True

    def __init__(self, *args: Any, mask_ratio: float | None = None, **kwargs: Any) -> None:
        self.mask_ratio = mask_ratio
        super().__init__(*args, **kwargs)

    @classmethod
    def base_model(cls) -> type:
        """Our masked pre-trainers."""
        return MaskedPretrainer

    def check_weights(self, weights: Weights, path: str) -> None:
        """Refuse a backbone, classifier or detector.

        Raises:
            ValueError: If no tensor belongs to a decoder.
        """
        roots = sorted({name.split(".")[0] for name in weights.state})[:5]
        if not any(re.match(r"decoders?\.", name) for name in weights.state):
            raise ValueError(
                f"checkpoint {path!r} has no decoder (its tensors begin with {', '.join(roots)}): nothing "
                "in it can reconstruct. Give the pre-training checkpoint that tools/train.py wrote with a config of "
                "configs/pretrain, not an extracted backbone or a fine-tuned model"
            )

    def adjust_config(self, cfg: Config | ConfigDict) -> None:
        """Refuse other models; set the mask ratio."""
        super().adjust_config(cfg)
        if self.mask_ratio is not None:
            cfg.model.mask_ratio = self.mask_ratio

    @torch.no_grad()
    def forward(self, inputs: dict, options: ReconstructOptions) -> list[tuple[DataSample, Reconstruction]]:
        """Each image of a batch with its reconstruction."""
        data = self.model.data_preprocessor(inputs, False)
        batch = reconstruct(self.model, data["inputs"], data["noise"], options.paste_visible)
        return list(zip(data["data_samples"], batch.to("cpu").split(), strict=True))

    def as_dict(self, found: tuple[DataSample, Reconstruction], plain: bool, options: ReconstructOptions) -> dict:
        """Losses and mask; unless ``plain``, images, too."""
        sample, result = found
        common = {"img_path": sample.get("img_path"), "losses": _numbers(result)}
        if plain:
            return {**common, "mask": result.mask[0].tolist()}
        images = {title: to_uint8(batch[0]) for title, batch in result.images.items()}
        return {**common, "mask": result.mask[0].numpy(), "images": images}

    def as_sample(self, found: tuple[DataSample, Reconstruction]) -> DataSample:
        """Losses, mask and images in the image's data sample."""
        sample, result = found
        images = {title: batch[0] for title, batch in result.images.items()}
        sample.set_data({"losses": _numbers(result), "mask": result.mask[0], "images": images})
        return sample

    def sheets(self, options: ReconstructOptions) -> tuple[str, int]:
        """Grids with a row for each image."""
        return "reconstruction", options.rows

    def picture(self, images: Sequence[Image], found: Sequence, first: int, options: ReconstructOptions) -> np.ndarray:
        """A grid."""
        samples, results = zip(*found, strict=True)
        labels = [Path(sample.get("img_path", f"image {first + i}")).name for i, sample in enumerate(samples)]
        facts = [type(self.model).__name__, f"{self.model.mask_ratio:.0%} masked", self.progress]
        return reconstruction_grid(Reconstruction.join(results), labels, ", ".join(filter(None, facts)))

    def _init_pipeline(self, cfg: Config | ConfigDict) -> Callable[[Image], dict]:
        """The test pipeline; noise for the mask is drawn here if the pipeline leaves that to the model."""
        run = super()._init_pipeline(cfg)

        def with_noise(image: Image) -> dict:
            data = run(image)
            data.setdefault("noise", torch.rand(self.model.num_patches))
            return data

        return with_noise


def _numbers(result: Reconstruction) -> dict[str, float]:
    return {name: value.item() for name, value in result.losses.items()}
