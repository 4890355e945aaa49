"""Features of images, at any depth of an encoder."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.structures import BaseDataElement
from torch import nn

from mirl_mm.checkpoint.own_config import building
from mirl_mm.evaluation.encoder import FrozenEncoder, load_encoder
from mirl_mm.evaluation.features import check_depths, tokens_after
from mirl_mm.registry import INFERENCERS
from mirl_mm.structures import DataSample

from .base import ImageInferencer
from .inputs import Images

_POOLS = ("avg", "token", "none")


@INFERENCERS.register_module()
class FeatureInferencer(ImageInferencer):
    """Features of a checkpoint's DeepViT: of a pre-training, a classifier, or another code base's file with a config.

    ``predictions`` are dicts of ``img_path`` (None for an array) and ``features``, a dict of depth to float32 array:
    ``(C,)``, or ``(1 + L, C)`` with ``pool="none"``, class token first, patches row by row. Depth 0 is after the
    embedding, i after i blocks. Tokens are given as they leave their block; those of the full depth pass the encoder's
    last norm if ``final_norm``.

    Args:
        model: A checkpoint, or a config file for ``weights``.
        weights: A checkpoint; may be left out if ``model`` is one.
        device: See :class:`ImageInferencer`.
        show_progress: See :class:`ImageInferencer`.

    Raises:
        ValueError: For a checkpoint without a backbone, and what :class:`ImageInferencer` raises.
    """

    forward_kwargs = {"depths", "pool", "final_norm"}

    def __init__(
        self,
        model: str | Path | None = None,
        weights: str | Path | None = None,
        device: str | None = None,
        show_progress: bool = False,
    ) -> None:
        super().__init__(model, weights, device, show_progress)

    def __call__(  # type: ignore[override]
        self,
        inputs: Images,
        return_datasamples: bool = False,
        batch_size: int = 8,
        *,
        plain: bool = False,
        on_error: str = "stop",
        depths: Sequence[int] | int = -1,
        pool: str = "avg",
        final_norm: bool = True,
    ) -> dict:
        """Features of images; see the class and :meth:`ImageInferencer.__call__`.

        Args:
            inputs: See :meth:`ImageInferencer.__call__`.
            return_datasamples: Give data samples, their tensors under ``features``.
            batch_size: Images at a time.
            plain: Lists in place of arrays.
            on_error: See :meth:`ImageInferencer.__call__`.
            depths: Numbers of blocks; negative ones count from the end, -1 being all blocks.
            pool: ``"avg"``, the mean of the patch tokens; ``"token"``, the class token; ``"none"``, all tokens.
            final_norm: Whether tokens of the full depth pass the encoder's last norm, as on their way to a head.

        Raises:
            ValueError: For a depth that the encoder doesn't have, or another pool.
        """
        depth = self.encoder.backbone.depth
        wanted = [depths] if isinstance(depths, int) else list(depths)
        chosen = check_depths([d + depth + 1 if d < 0 else d for d in wanted], depth)
        if pool not in _POOLS:
            raise ValueError(f"pool must be one of {', '.join(_POOLS)}, got {pool!r}")
        return super().__call__(
            inputs,
            return_datasamples,
            batch_size,
            plain=plain,
            on_error=on_error,
            depths=chosen,
            pool=pool,
            final_norm=final_norm,
        )

    @torch.inference_mode()
    def forward(self, inputs: dict, depths: Sequence[int], pool: str, final_norm: bool) -> list[DataSample]:
        """Each image's data sample with ``features``."""
        data = self.encoder.preprocess(inputs, False)
        backbone = self.encoder.backbone
        by_depth = {}
        for depth, tokens in zip(depths, tokens_after(backbone, data["inputs"], depths, final_norm), strict=True):
            if pool == "avg":
                tokens = tokens[:, backbone.num_prefix_tokens :].mean(dim=1)
            elif pool == "token":
                tokens = tokens[:, 0]
            by_depth[depth] = tokens.float().cpu()
        samples = data["data_samples"]
        for i, sample in enumerate(samples):
            sample.set_data({"features": {depth: tokens[i] for depth, tokens in by_depth.items()}})
        return samples

    def postprocess(
        self,
        preds: list[DataSample],
        visualization: list[np.ndarray],
        return_datasamples: bool = False,
        plain: bool = False,
    ) -> dict:
        """Features as arrays or lists in dicts, or as tensors in data samples."""
        predictions: list[BaseDataElement | dict] = [
            sample
            if return_datasamples
            else {
                "img_path": sample.get("img_path"),
                "features": {
                    depth: tensor.tolist() if plain else tensor.numpy() for depth, tensor in sample.features.items()
                },
            }
            for sample in preds
        ]
        return {"predictions": predictions, "visualization": visualization}

    def _init_model(self, cfg: Config | ConfigDict, weights: str, device: str = "cpu") -> nn.Module:
        self.encoder: FrozenEncoder = load_encoder(weights, cfg or None).to(device)
        if not cfg:
            self.guard = partial(building, weights, self.encoder.backbone.state_dict())
        return self.encoder.backbone.eval()

    def _init_pipeline(self, cfg: Config | ConfigDict) -> Callable[[np.ndarray | str], dict]:
        with self.guard():
            return self.image_pipeline(self.encoder.pipeline)
