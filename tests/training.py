"""A training small enough for tests, built from the real configs."""

import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mirl_mm.engine.launch import build_runner, load_config
from tests.conftest import forget_runs

ROOT = Path(__file__).parents[1]

#: The real chain of configs with small sizes: 2 epochs of 5 iterations of 4 images, no validation.
SMALL = {
    "model.backbone.arch": {"depth": 2, "embed_dims": 16, "num_heads": 2},
    "model.num_segments": 2,
    "model.decoder_embed_dims": 16,
    "model.decoder_num_heads": 2,
    "train_dataloader.batch_size": 4,
    "train_dataloader.num_workers": 0,
    "train_cfg.max_epochs": 2,
    "param_scheduler.warmup": 1,
    "param_scheduler.end": 2,
    "optim_wrapper.optimizer.lr": 0.05,
    "default_hooks.logger.interval": 1,
}


def write_images(folder: Path, number: int = 20, size: tuple[int, int] = (72, 80)) -> Path:
    """``folder/train`` with smooth random PNG images; returns ``folder``."""
    (folder / "train").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(number):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        coarse.resize(size[::-1], Image.Resampling.BICUBIC).save(folder / "train" / f"{i:03d}.png")
    return folder


def dotted(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments as overrides of a config: ``__`` becomes a dot."""
    return {key.replace("__", "."): value for key, value in options.items()}


def placed(cfg: Config, work_dir: Path) -> Config:
    """The config with a folder and a name for its run, in one process, with the same kernels in each."""
    cfg.env_cfg.cudnn_benchmark = False
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = work_dir.name
    cfg.launcher = "none"
    return cfg


def repeatable(cfg: Config) -> Config:
    """The config; on a GPU with kernels that add up in the same order each time, as a CPU's do by themselves."""
    if torch.cuda.is_available():
        cfg.randomness.deterministic = True
    return cfg


def small_config(data_root: Path, work_dir: Path, **options) -> Config:
    """The small training; ``options`` override with ``__`` for a dot."""
    settings = SMALL | dotted(options)
    cfg = load_config(ROOT / "configs/pretrain/mirl_tiny24_64px.py", settings)
    cfg.train_dataloader.dataset.data_root = str(data_root)
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.test_dataloader = cfg.test_cfg = cfg.test_evaluator = None
    return placed(repeatable(cfg), work_dir)


#: A small classifier of two classes: 2 epochs of 5 iterations of 4 images, validated.
SMALL_CLASSIFIER = {
    "model.backbone.arch": {"depth": 2, "embed_dims": 16, "num_heads": 2},
    "model.head.num_classes": 2,
    "model.head.init_std": 0.02,
    "train_dataloader.batch_size": 4,
    "train_dataloader.num_workers": 0,
    "val_dataloader.batch_size": 4,
    "val_dataloader.num_workers": 0,
    "test_dataloader.batch_size": 4,
    "test_dataloader.num_workers": 0,
    "train_cfg.max_epochs": 2,
    "param_scheduler.warmup": 1,
    "param_scheduler.end": 2,
    "optim_wrapper.optimizer.lr": 0.05,
    "default_hooks.logger.interval": 1,
}


def write_class_folders(folder: Path, train: int = 20, val: int = 9, classes: Sequence[str] = ("cat", "dog")) -> Path:
    """``folder/{train,val}/<class>`` with random images, dealt out to the classes in turn; returns ``folder``."""
    rng = np.random.default_rng(1)
    for split, number in (("train", train), ("val", val)):
        for i in range(number):
            path = folder / split / classes[i % len(classes)] / f"{i:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (66, 70, 3), dtype=np.uint8)).save(path)
    return folder


def small_classifier(data_root: Path, work_dir: Path, config: str = "cls/mirl_tiny24_64px.py", **options) -> Config:
    """A small fine-tuning from the real configs; ``options`` override with ``__`` for a dot."""
    settings = SMALL_CLASSIFIER | dotted(options)
    cfg = load_config(ROOT / "configs" / config, settings)
    for name in ("train_dataloader", "val_dataloader", "test_dataloader"):
        cfg[name].dataset.data_root = str(data_root)
    return placed(repeatable(cfg), work_dir)


def train(cfg: Config) -> torch.nn.Module:
    """Train in this process; returns the model."""
    forget_runs()
    return build_runner(cfg, ["train_dataloader"]).train()


def run_tool(*arguments: str | Path, python: list[str] | None = None, **env: str) -> subprocess.CompletedProcess:
    """Run one of the tools (or a script) as a user does; output is text, errors of the tool don't raise.

    ``python`` is what runs it, ``env`` adds environment variables.
    """
    command = [*(python or [sys.executable]), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment() | env, capture_output=True, text=True, timeout=600)


def run_here(monkeypatch: pytest.MonkeyPatch, tool: str, *arguments: str | Path) -> None:
    """Run one of the tools in this process, which takes no time for imports; its SystemExit comes through."""
    monkeypatch.setattr("sys.argv", [tool, *map(str, arguments)])
    runpy.run_path(str(ROOT / tool), run_name="__main__")


def environment() -> dict[str, str]:
    """For child processes: this checkout is imported, whatever is installed."""
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHON": sys.executable}


def weights(work_dir: Path, epoch: int = 2) -> dict[str, torch.Tensor]:
    """The model's weights in a checkpoint."""
    return torch.load(work_dir / f"epoch_{epoch}.pth", weights_only=False)["state_dict"]
