"""A frozen encoder of a checkpoint, or one with random weights, with its preprocessing."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import ImgDataPreprocessor
from torch import nn

from mirl_mm.checkpoint import Exact, load_into, read_any
from mirl_mm.checkpoint.embedded_config import config_for
from mirl_mm.datasets.transforms.pipeline import Step, build_pipeline
from mirl_mm.models.backbones import PlainBackbone, is_backbone
from mirl_mm.models.backbones.pretrained import of_backbone
from mirl_mm.registry import MODELS, SCOPE

#: Settings that have no influence on features, or are about how training starts.
_NOT_ENCODER = ("init_cfg", "out_indices", "drop_path_rate")


@dataclass
class FrozenEncoder:
    """An encoder to be judged.

    Attributes:
        name: For tables and pictures.
        backbone: With its weights.
        preprocess: The data preprocessor: a batch with uint8 images -> one with normalised images on the device.
        pipeline: From a file to a uint8 image.
        segments: G of MIRL; None where the pre-training has no segments.
        progress: How far training was, e.g. ``epoch 12``; empty if it isn't known.
    """

    name: str
    backbone: PlainBackbone
    preprocess: nn.Module
    pipeline: Sequence[dict | Step]
    segments: int | None = None
    progress: str = ""

    def to(self, device: str | torch.device) -> "FrozenEncoder":
        """Move to a device."""
        self.backbone.to(device)
        self.preprocess.to(device)
        return self

    def fingerprint(self) -> str:
        """Hash of the weights and of what images go through: equal for encoders that give the same features."""
        digest = hashlib.sha256(repr([str(step) for step in self.pipeline]).encode())
        for module in (self.backbone, self.preprocess):
            for name, tensor in (*module.named_parameters(), *module.named_buffers()):
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        digest.update(str(self.backbone.num_heads).encode())  # no tensor's shape shows it
        return digest.hexdigest()


def load_encoder(
    path: str | Path, config: str | Path | Mapping | Config | None = None, name: str = ""
) -> FrozenEncoder:
    """The encoder of a checkpoint of any origin.

    Args:
        path: The checkpoint: of pre-training, of a classifier, or of another code base.
        config: Config of the model, or its file, where the checkpoint has none.
        name: For tables and pictures; by default the checkpoint's path.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the checkpoint can't be read, has no backbone or another one than the config, or has no config
            and none is given.
    """
    weights = read_any(path)
    cfg, guard = config_for(weights, path, config)
    own = weights._replace(state=of_backbone(weights.state))
    if not own.state:
        found = ", ".join(sorted({key.partition(".")[0] for key in weights.state})[:5])
        raise ValueError(f"checkpoint {str(path)!r} has no backbone (its tensors begin with {found})")
    with guard():
        encoder = _build(cfg, name or str(path))
    refusal = f"checkpoint {str(path)!r} does not fit the backbone of its config"
    trained = "Give the config with which it was trained"
    load_into(encoder.backbone, own, Exact(lambda report: f"{refusal}: {report}. {trained}", resampled=True))
    encoder.progress = weights.progress
    return encoder


def random_encoder(
    path: str | Path, config: str | Path | None = None, name: str = "random weights", seed: int = 0
) -> FrozenEncoder:
    """The encoder of a checkpoint's config as it was before training: the baseline.

    Args:
        path: The checkpoint; its weights are not used.
        config: Config file of the model, where the checkpoint has none.
        name: For tables and pictures.
        seed: Of the weights. Global generators stay as they are.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the checkpoint can't be read, or there is no config.
    """
    weights = read_any(path)
    cfg, guard = config_for(weights, path, config)
    with torch.random.fork_rng(devices=[]), guard():
        torch.default_generator.manual_seed(seed)
        return _build(cfg, name)


def architecture(encoder: FrozenEncoder) -> str:
    """Text that is equal for encoders that differ in weights only, and so share a random baseline."""
    backbone = encoder.backbone
    shapes = {name: list(tensor.shape) for name, tensor in backbone.state_dict().items()}
    return json.dumps([shapes, backbone.num_heads, [str(step) for step in encoder.pipeline]])


def evaluation_pipeline(cfg: Mapping[str, Any], img_size: tuple[int, int]) -> list[dict]:
    """From a file to the image that is judged: the config's test pipeline, without what only pre-training needs.

    Where it has none of ours, the usual one: the short side to 256/224 of the image's longer side, then the middle.

    Args:
        cfg: Of a whole run.
        img_size: (H, W) for which the encoder was built.
    """
    for name in ("test_dataloader", "val_dataloader"):
        steps = ((cfg.get(name) or {}).get("dataset") or {}).get("pipeline") or []
        if steps and steps[0]["type"] == "LoadImage":
            return [dict(step) for step in steps if step["type"] != "MaskNoise"]
    return [
        {"type": "LoadImage"},
        {"type": "ResizeShortSide", "size": round(max(img_size) * 256 / 224), "interpolation": "bicubic"},
        {"type": "CenterCrop", "size": tuple(img_size)},
        {"type": "PackInputs"},
    ]


def _build(cfg: Config, name: str) -> FrozenEncoder:
    """The encoder of a config, its weights as they are at the start."""
    model = cfg.get("model") or {}
    settings = {key: value for key, value in (model.get("backbone") or {}).items() if key not in _NOT_ENCODER}
    kind = settings.get("type", "none")
    if not is_backbone(MODELS.get(kind) if isinstance(kind, str) else kind):
        raise ValueError(f"the config's model needs a plain backbone such as DeepViT, it has {kind}")
    backbone: PlainBackbone = MODELS.build({"_scope_": SCOPE, **settings})
    statistics = model.get("data_preprocessor") or {}
    preprocess = ImgDataPreprocessor(mean=statistics.get("mean"), std=statistics.get("std"))
    segments = model.get("num_segments", 6) if model.get("type", "").endswith("MIRL") else None
    pipeline = evaluation_pipeline(cfg, backbone.img_size)
    build_pipeline(pipeline)  # raises here, and not when images are there
    return FrozenEncoder(name, backbone, preprocess, pipeline, segments)
