"""What the machine decides about a config."""

import pytest
import torch
from mmengine.registry import DefaultScope

from mirl_mm.engine.launch import fit_machine, load_config
from mirl_mm.registry import MODELS
from tests.training import ROOT


@pytest.mark.parametrize(
    ("config", "package", "at_once"),
    [
        ("pretrain/mirl_vitb48_in1k.py", "mmengine", False),
        ("cls/mirl_vitb48_in1k.py", "mmengine", False),
        ("det/mirl_vitb_coco.py", "mmdet", False),
        ("seg/mirl_vitb_ade20k.py", "mmseg", True),  # mmseg's preprocessor takes no such setting
    ],
)
def test_with_a_gpu_batches_are_copied_while_it_computes(config, package, at_once, monkeypatch):
    pytest.importorskip(package)
    cfg = load_config(ROOT / "configs" / config)
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        fit_machine(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        built = MODELS.build(cfg.model.data_preprocessor)
    assert built._non_blocking is not at_once
