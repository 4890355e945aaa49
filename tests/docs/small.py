"""The documentation's models and data sets in a size for tests: the same configs, narrow and on small images."""

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mirl_mm.engine.derive_from_datasets import fit_to_datasets
from mirl_mm.models.backbones.presets import resolve_arch
from mirl_mm.registry import MODELS

#: Every width becomes this; depths stay, as commands name blocks.
WIDTH = 16
_WIDTHS = {
    "embed_dim",
    "in_channels",
    "out_channels",
    "conv_out_channels",
    "fc_out_channels",
    "feat_channels",
    "channels",
    "decoder_embed_dims",
}

#: The data sets of tests/docs/workspace.py have so many classes where ImageNet has a thousand.
CLASSES = 20


def shrink(cfg: Config) -> Config:
    """Make a config small in place: width 16, an eighth of the images' sides, small batches, no workers."""
    _shrink(cfg._cfg_dict)
    largest = 16 if cfg.get("default_scope", "mirl_mm") == "mirl_mm" else 4  # the others' data sets have six images
    for name in ("train_dataloader", "val_dataloader", "test_dataloader"):
        if cfg.get(name):
            cfg[name].update(batch_size=min(cfg[name].batch_size, largest), num_workers=0, persistent_workers=False)
    return cfg


def _shrink(node: Any) -> None:
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if key == "arch":
            node[key] = {"depth": resolve_arch(value)["depth"], "embed_dims": WIDTH, "num_heads": 2}
        elif key == "decoder_num_heads":
            node[key] = 2
        elif key == "num_classes" and value == 1000:
            node[key] = CLASSES
        elif key in _WIDTHS:
            node[key] = [WIDTH] * len(value) if isinstance(value, list) else min(value, WIDTH)
        elif key in ("size", "pad_size_divisor") and isinstance(value, int):
            node[key] = _side(value)
        elif isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_large, value)):
            node[key] = type(value)(map(_side, value))
        elif isinstance(value, (dict, list)):
            _shrink(value)


def _is_large(side: Any) -> bool:
    return isinstance(side, int) and side >= 128


def _side(pixels: int) -> int:
    """An eighth, in whole patches, and at least four of them."""
    return max(64, round(pixels / 128) * 16) if _is_large(pixels) else pixels


def write_checkpoint(cfg: Config, path: Path) -> None:
    """A checkpoint as ``tools/train.py`` writes it, with random weights and an average of them.

    Args:
        cfg: A small config.
        path: Where to; its folder is made.
    """
    fit_to_datasets(cfg)
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mirl_mm")):
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
    state = model.state_dict()
    average = {f"module.{name}": value for name, value in state.items()} | {"steps": torch.tensor(1)}
    meta = {"cfg": cfg.pretty_text, "epoch": 1, "iter": 1}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": state, "ema_state_dict": average, "meta": meta}, path)
