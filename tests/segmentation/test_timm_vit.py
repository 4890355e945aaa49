"""A segmentor on timm's models trains and resumes to the bit."""

import pytest
import torch

from mirl_mm.engine.backbone_facts import fit_to_backbone
from mirl_mm.registry import MODELS
from tests.engine.test_timm_vit import backbone, some_kinds
from tests.mmlab import state, train
from tests.segmentation.small import small_segmentor


def config(kind, shapes, work_dir, **options):
    cfg = small_segmentor(shapes, work_dir, **options)
    cfg.model.backbone = backbone(kind, map_stride=8, drop_path_rate=0.2) | {"type": "mirl_mm.TimmViT"}
    fit_to_backbone(cfg)  # the width is timm's; strides stay those that map_stride gives
    assert cfg.model.neck.in_channels == 48
    return cfg


@some_kinds
def test_trains_and_resumes(kind, shapes, tmp_path):
    train(config(kind, shapes, tmp_path / "whole"))
    train(config(kind, shapes, tmp_path / "resumed", load_from=str(tmp_path / "whole/iter_2.pth"), resume=True))
    start, whole, resumed = (
        state(tmp_path / name) for name in ("whole/iter_2.pth", "whole/iter_4.pth", "resumed/iter_4.pth")
    )
    assert whole.keys() == resumed.keys()
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
    assert not [name for name in whole if name.startswith("backbone.") and torch.equal(start[name], whole[name])]


def test_four_maps():
    model = MODELS.build(backbone("dinov2, registers, patch 14", out_indices=(0, 1), map_stride=16))
    assert [tuple(out.shape) for out in model(torch.randn(1, 3, 50, 90))] == [(1, 48, 4, 6)] * 2


@pytest.fixture(scope="module", autouse=True)
def _scope():
    pytest.importorskip("mirl_mm.segmentation", exc_type=ImportError)
