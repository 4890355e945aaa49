"""Every config can be read and its model built, and says what its name says."""

import re

import pytest
import torch
from mmengine.config import Config

from mirl_mm.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from tests.training import ROOT

CONFIGS = sorted(
    path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.py") if "_base_" not in path.parts
)
DEPTH = {"vits": 12, "vits54": 54, "vitb": 12, "vitb24": 24, "vitb48": 48}


@pytest.mark.parametrize("path", CONFIGS, ids=str)
def test_builds(path):
    cfg = Config.fromfile(ROOT / "configs" / path)
    with torch.device("meta"):
        model = MODELS.build({**cfg.model, "_scope_": "mirl_mm"})
    pipeline = cfg.train_dataloader.dataset.pipeline
    crop = next(step for step in pipeline if step.type == "RandomResizedCrop")
    noise = next(step for step in pipeline if step.type == "MaskNoise")
    patch = (noise.patch_size,) * 2 if isinstance(noise.patch_size, int) else tuple(noise.patch_size)
    assert tuple(crop.size) == model.backbone.img_size
    assert patch == model.backbone.patch_size
    assert cfg.param_scheduler.end == cfg.train_cfg.max_epochs
    wrapper = {"type": "OptimWrapper", "optimizer": cfg.optim_wrapper.optimizer}
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(
        {"type": cfg.optim_wrapper.constructor, "optim_wrapper_cfg": wrapper}
    )
    assert len(constructor(model).optimizer.param_groups) == 2


@pytest.mark.parametrize("path", [p for p in CONFIGS if p.parts[0] == "pretrain" and "in1k" in p.name], ids=str)
def test_name_and_recipe_agree(path):
    cfg = Config.fromfile(ROOT / "configs" / path)
    method, arch, epochs = re.fullmatch(r"(mirl|mae)_(vit[a-z0-9]+?)(?:_(\d+)e)?_in1k.py", path.name).groups()
    with torch.device("meta"):
        model = MODELS.build({**cfg.model, "_scope_": "mirl_mm"})
    assert type(model).__name__ == method.upper()
    assert model.backbone.depth == DEPTH[arch]
    assert cfg.train_cfg.max_epochs == int(epochs or 800)
    assert cfg.param_scheduler.warmup == 40
    assert 8 * cfg.train_dataloader.batch_size * cfg.optim_wrapper.accumulative_counts == 4096
    assert cfg.optim_wrapper.optimizer.lr * 4096 / cfg.auto_scale_lr.base_batch_size == pytest.approx(2.4e-3)
    assert cfg.optim_wrapper.optimizer.betas == (0.9, 0.95)
    assert cfg.optim_wrapper.optimizer.weight_decay == 0.05
