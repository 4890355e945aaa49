"""Features of images, at any depth of an encoder."""

import io
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from torch import nn

from mirl_mm.checkpoint.embedded_config import building
from mirl_mm.file_backend import write_file
from mirl_mm.inference.base import Image, ImageInferencer
from mirl_mm.inference.commands import Command, Flag, file_flag
from mirl_mm.inference.pipeline import image_pipeline
from mirl_mm.registry import INFERENCERS
from mirl_mm.structures import DataSample

from .encoder import FrozenEncoder, load_encoder
from .features import check_depths, pooled_tokens

_POOLS = ("avg", "token", "none")


@dataclass(frozen=True)
class FeatureOptions:
    """What calls of :class:`FeatureInferencer` take besides.

    Attributes:
        depths: Numbers of blocks; negative ones count from the end, -1 being all blocks.
        pool: ``"avg"``, the mean of the patch tokens; ``"token"``, the class token; ``"none"``, all tokens.
        final_norm: Whether tokens of the full depth pass the encoder's last norm, as on their way to a head.
    """

    depths: Sequence[int] | int = -1
    pool: str = "avg"
    final_norm: bool = True

    def __post_init__(self) -> None:
        if self.pool not in _POOLS:
            raise ValueError(f"pool must be one of {', '.join(_POOLS)}, got {self.pool!r}")


class FeatureCommand(Command):
    """Writes features into a NumPy file: ``paths``, and ``depth_<number>`` with a row for each image."""

    models = "features"
    asked_by = "features"
    plain = False
    flags = (
        file_flag("--features", "write features of images to this .npz file, nothing else", "writes"),
        Flag("--depths", "numbers of blocks, negative from the end", [-1], {"type": int, "nargs": "+"}),
        Flag("--pool", "mean, class token or all tokens", "avg", {"choices": _POOLS}),
    )

    def problem(self, args: Namespace) -> str:
        """No other files beside the features."""
        other = args.features and (args.out_dir or args.json)
        return "--features writes features only: leave out --out-dir and --json" if other else ""

    def write(self, predictions: list[dict], images: Sequence[str], args: Namespace) -> None:
        """The file."""
        buffer = io.BytesIO()
        np.savez(buffer, paths=np.array(images), **_arrays(predictions))  # type: ignore[arg-type]  # NumPy's stub
        write_file(args.features, buffer.getvalue())

    def lines(self, predictions: Sequence[dict], args: Namespace) -> list[str]:
        """What is in the file."""
        return [f"{args.features}: {name} {array.shape}" for name, array in _arrays(predictions).items()]


def _arrays(predictions: Sequence[dict]) -> dict[str, np.ndarray]:
    depths = predictions[0]["features"]
    return {f"depth_{depth}": np.stack([item["features"][depth] for item in predictions]) for depth in depths}


@INFERENCERS.register_module()
class FeatureInferencer(ImageInferencer):
    """Features of a checkpoint's DeepViT: of a pre-training, a classifier, or another code base's file with a config.

    Calls take what :class:`ImageInferencer` says, and the fields of :class:`FeatureOptions`; there are no pictures.

    ``predictions`` are dicts of ``img_path`` (None for an array) and ``features``, a dict of depth to float32 array:
    ``(C,)``, or ``(1 + L, C)`` with ``pool="none"``, class token first, patches row by row; lists if ``plain``. Depth 0
    is after the embedding, i after i blocks. Tokens are given as they leave their block; those of the full depth pass
    the encoder's last norm if ``final_norm``.

    Raises:
        ValueError: For a checkpoint without a backbone, and what :class:`ImageInferencer` raises.
    """

    Options = FeatureOptions
    command = FeatureCommand
    draws = None

    def settle(self, options: FeatureOptions, batch_size: int) -> tuple[FeatureOptions, int]:
        """Depths from 0; refuses those that the encoder doesn't have."""
        depth = self.encoder.backbone.depth
        wanted = [options.depths] if isinstance(options.depths, int) else list(options.depths)
        chosen = check_depths([d + depth + 1 if d < 0 else d for d in wanted], depth)
        return replace(options, depths=chosen), batch_size

    @torch.inference_mode()
    def forward(self, inputs: dict, options: FeatureOptions) -> list[DataSample]:
        """Each image's data sample with ``features``."""
        data = self.encoder.preprocess(inputs, False)
        backbone, depths = self.encoder.backbone, list(options.depths)  # type: ignore[arg-type]  # settled
        features = pooled_tokens(backbone, data["inputs"], depths, options.pool, options.final_norm)
        by_depth = {depth: each.cpu() for depth, each in zip(depths, features, strict=True)}
        samples = data["data_samples"]
        for i, sample in enumerate(samples):
            sample.set_data({"features": {depth: tokens[i] for depth, tokens in by_depth.items()}})
        return samples

    def as_dict(self, found: DataSample, plain: bool, options: FeatureOptions) -> dict:
        """Features as arrays or lists."""
        features = {depth: each.tolist() if plain else each.numpy() for depth, each in found.features.items()}
        return {"img_path": found.get("img_path"), "features": features}

    def as_sample(self, found: DataSample) -> DataSample:
        """Features as tensors."""
        return found

    def _init_model(self, cfg: Config | ConfigDict, path: str, device: str) -> nn.Module:
        self.encoder: FrozenEncoder = load_encoder(path, cfg or None).to(device)
        if not cfg:
            self.guard = partial(building, path, self.encoder.backbone.state_dict())
        return self.encoder.backbone.eval()

    def _init_pipeline(self, cfg: Config | ConfigDict) -> Callable[[Image], dict[Any, Any]]:
        with self.guard():
            return image_pipeline(self.encoder.pipeline)
