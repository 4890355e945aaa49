"""A segmentor on timm's models trains and resumes to the bit."""

import pytest
import torch

from mirl_mm.analysis.parts import model_on_meta
from mirl_mm.engine.launch import load_config
from mirl_mm.registry import MODELS
from tests.engine.test_timm_vit import backbone, some_kinds
from tests.segmentation.small import small_segmentor
from tests.timm_training import whole_and_resumed
from tests.training import ROOT


@some_kinds
def test_trains_and_resumes(kind, shapes, tmp_path):
    start, whole, resumed = whole_and_resumed(small_segmentor, kind, shapes, tmp_path)
    assert whole.keys() == resumed.keys()
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
    assert not [name for name in whole if name.startswith("backbone.") and torch.equal(start[name], whole[name])]


def test_maps_of_several_blocks():
    model = MODELS.build(backbone("dinov2, registers, patch 14", out_indices=(0, 1), map_stride=16))
    assert [tuple(out.shape) for out in model(torch.randn(1, 3, 50, 90))] == [(1, 48, 4, 6)] * 2


def test_four_maps_have_the_strides_that_heads_expect():
    """Of patches of 14, by mmseg's pyramid."""
    small = {"timm_kwargs": {"depth": 4, "embed_dim": 48, "num_heads": 3}, "out_indices": (0, 1, 2, 3)}
    options = {f"model.backbone.{key}": value for key, value in small.items()}
    cfg = load_config(ROOT / "configs/seg/dinov2_vitb_ade20k.py", options)
    model = model_on_meta(cfg.model, "mmseg").eval()
    with torch.device("meta"):
        levels = model.extract_feat(torch.empty(1, 3, 512, 512))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (48, 512 // stride, 512 // stride) for stride in (4, 8, 16, 32)
    ]


@pytest.fixture(scope="module", autouse=True)
def _scope():
    pytest.importorskip("mirl_mm.segmentation.mmseg_parts", exc_type=ImportError)
