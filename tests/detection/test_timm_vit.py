"""A Mask R-CNN on timm's models trains and resumes; patches of 14 give the strides of 16, or any other."""

import pytest
import torch

from mirl_mm.registry import MODELS
from tests.detection.small import small_detector
from tests.engine.test_timm_vit import backbone, some_kinds
from tests.timm_training import whole_and_resumed


@some_kinds
def test_trains_and_resumes(kind, shapes, tmp_path):
    start, whole, resumed = whole_and_resumed(small_detector, kind, shapes, tmp_path)
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=1e-5, atol=1e-6, msg=name)
    unmoved = [name for name in whole if name.startswith("backbone.") and torch.equal(start[name], whole[name])]
    assert not unmoved


def test_levels_have_the_strides_that_heads_expect():
    model = MODELS.build(backbone("dinov2, registers, patch 14", (1024, 1024), map_stride=16))
    neck = MODELS.build({"type": "SimpleFPN", "in_channels": 48, "out_channels": 8})
    with torch.device("meta"):
        maps = neck.to("meta")(model.to("meta").forward(torch.empty(1, 3, 1024, 1024)))
    assert [level.shape[-1] for level in maps] == [1024 // stride for stride in (4, 8, 16, 32, 64)]


@pytest.fixture(scope="module", autouse=True)
def _scope():
    pytest.importorskip("mirl_mm.detection", exc_type=ImportError)
