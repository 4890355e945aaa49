"""A segmentor on timm's models trains and resumes to the bit."""

import pytest
import torch

from mirl_mm.registry import MODELS
from tests.engine.test_timm_vit import backbone, some_kinds
from tests.segmentation.small import small_segmentor
from tests.timm_training import whole_and_resumed


@some_kinds
def test_trains_and_resumes(kind, shapes, tmp_path):
    start, whole, resumed = whole_and_resumed(small_segmentor, kind, shapes, tmp_path)
    assert whole.keys() == resumed.keys()
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
    assert not [name for name in whole if name.startswith("backbone.") and torch.equal(start[name], whole[name])]


def test_maps_of_several_blocks():
    model = MODELS.build(backbone("dinov2, registers, patch 14", out_indices=(0, 1), map_stride=16))
    assert [tuple(out.shape) for out in model(torch.randn(1, 3, 50, 90))] == [(1, 48, 4, 6)] * 2


@pytest.fixture(scope="module", autouse=True)
def _scope():
    pytest.importorskip("mirl_mm.segmentation", exc_type=ImportError)
