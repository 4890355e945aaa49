"""A Mask R-CNN on timm's models trains and resumes; patches of 14 give the strides of 16, or any other."""

import pytest
import torch

from mirl_mm.analysis.memory import training_memory
from mirl_mm.engine.launch import load_config
from mirl_mm.registry import MODELS
from tests.detection.small import small_detector
from tests.engine.test_timm_vit import backbone, some_kinds
from tests.models.timm_cases import ROTARY
from tests.timm_training import whole_and_resumed
from tests.training import ROOT


@some_kinds
def test_trains_and_resumes(kind, shapes, tmp_path):
    """Within windows, where the kind can have them: its first block's do not tile the map."""
    windows = {} if kind in ROTARY else {"window_size": 3}
    start, whole, resumed = whole_and_resumed(small_detector, kind, shapes, tmp_path, **windows)
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


def test_memory_is_counted():
    """Nothing of a frozen encoder is kept, no score of attention that a GPU has, and within windows little more."""
    small = {"timm_kwargs": {"depth": 4, "embed_dim": 48, "num_heads": 3}, "img_size": (256, 256), "init_cfg": None}
    found = {}
    for name, more in {
        "whole": {},
        "windows": {"window_size": 4, "global_attn_indexes": (3,)},
        "frozen": {"frozen": True},
    }.items():
        options = {f"model.backbone.{key}": value for key, value in {**small, **more}.items()}
        cfg = load_config(ROOT / "configs/det/dinov2_vitb_coco.py", options)
        found[name] = training_memory(cfg.model, "mmdet", "cuda")
    assert found["whole"].parameters == found["windows"].parameters == found["frozen"].parameters
    assert found["frozen"].trained < found["whole"].trained == found["windows"].trained
    assert found["frozen"].states < found["whole"].states
    assert found["frozen"].activations < found["whole"].activations < found["windows"].activations
    assert found["windows"].activations < 1.2 * found["whole"].activations


@pytest.fixture(scope="module", autouse=True)
def _scope():
    pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
