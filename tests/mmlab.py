"""Trainings of mmdet's and mmseg's models small enough for tests, built from the real configs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mirl_mm.engine.launch import build_runner, load_config, set_data_root
from tests.conftest import forget_runs
from tests.training import ROOT, dotted, placed

SIZE = (64, 64)
_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
#: An encoder of four blocks, and 4 steps of 2 images.
_SMALL = {
    "model.backbone.arch": {"depth": 4, "embed_dims": 16, "num_heads": 2},
    "model.backbone.img_size": SIZE,
    "model.neck.in_channels": 16,
    **{f"{name}.batch_size": 2 for name in _LOADERS},
    **{f"{name}.num_workers": 0 for name in _LOADERS},
    "train_cfg.max_iters": 4,
    "train_cfg.val_interval": 4,
    "param_scheduler": [{"type": "LinearLR", "start_factor": 0.5, "by_epoch": False, "begin": 0, "end": 3}],
    "default_hooks.checkpoint.interval": 2,
    "default_hooks.logger.interval": 1,
}


def small_training(
    config: str, settings: Mapping[str, Any], data_root: Path, work_dir: Path, options: Mapping[str, Any]
) -> Config:
    """A config of ``configs`` for images of 64 x 64.

    Args:
        config: Its place in ``configs``.
        settings: Dotted keys to values for this kind of model.
        data_root: Folder of the data.
        work_dir: Of the run.
        options: More settings, with ``__`` for a dot.
    """
    cfg = load_config(ROOT / "configs" / config, _SMALL | dict(settings) | dotted(options))
    for loader in _LOADERS:
        for step in cfg[loader].dataset.pipeline:
            step.update({key: SIZE for key in ("scale", "crop_size") if key in step})
    set_data_root(cfg, str(data_root))
    return placed(cfg, work_dir)


def train(cfg: Config) -> torch.nn.Module:
    """Train in this process, validated; returns the model."""
    forget_runs()
    return build_runner(cfg, ["train_dataloader", "val_dataloader"]).train()


def state(path: Path) -> dict[str, torch.Tensor]:
    """The model's weights in a checkpoint."""
    return torch.load(path, weights_only=False)["state_dict"]


def check_resumed(folder: Path, rtol: float, atol: float) -> None:
    """``resumed``, from iteration 2 of ``run``, ends where ``run`` does, within these tolerances on a CPU.

    On a GPU several operations of detectors and segmentors (gradients of RoIAlign and of resized maps, the loss of a
    map) add up in any order. Where AdamW divides a gradient that is hardly more than such noise by its own size, a
    weight takes another step: all in all within a twentieth of the way.
    """
    start, whole = state(folder / "run/iter_2.pth"), state(folder / "run/iter_4.pth")
    resumed = state(folder / "resumed/iter_4.pth")
    assert whole.keys() == resumed.keys()
    assert any(not torch.equal(start[name], tensor) for name, tensor in resumed.items())
    if torch.cuda.is_available():
        ended, other, began = (
            torch.cat([x[name].double().flatten() for name in whole]) for x in (whole, resumed, start)
        )
        assert (ended - other).norm() < 0.05 * (ended - began).norm()
        return
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=rtol, atol=atol, msg=name)
