"""Small checkpoints as tools/train.py writes them, without the training."""

from pathlib import Path

import torch
from mmengine.config import Config

from mirl_mm.registry import MODELS
from tests.training import small_config

DEPTH = 4


def write_checkpoint(folder: Path, name: str = "mirl.pth", kind: str = "MIRL", seed: int = 0) -> Path:
    """A checkpoint with its config: MIRL in 2 segments, MAE, or a classifier, with 4 blocks of width 16."""
    arch = {"depth": DEPTH, "embed_dims": 16, "num_heads": 2}
    cfg = small_config(folder / "data", folder / "run", model__backbone__arch=arch)
    if kind == "MAE":
        cfg.model.type = "MAE"
        del cfg.model["num_segments"]
    elif kind == "ImageClassifier":
        kept = {key: cfg.model[key] for key in ("data_preprocessor", "backbone")}
        cfg.model = dict(type=kind, head=dict(type="LinearClsHead", num_classes=3), **kept)
    cfg.merge_from_dict({"model._scope_": "mirl_mm"})
    torch.manual_seed(seed)
    save(cfg, MODELS.build(cfg.model), folder / name)
    return folder / name


def save(cfg: Config, model: torch.nn.Module, path: Path) -> None:
    cfg = Config({key: value for key, value in cfg.items() if value is not None})
    torch.save({"state_dict": model.state_dict(), "meta": {"cfg": cfg.pretty_text, "epoch": 3}}, path)
