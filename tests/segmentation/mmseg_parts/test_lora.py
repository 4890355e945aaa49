"""A segmentor's adapters train and resume to the bit."""

import pytest
import torch

from mirl_mm.checkpoint.load_report import ADAPTERS
from tests.segmentation.small import small_segmentor
from tests.timm_training import whole_and_resumed

pytest.importorskip("peft", exc_type=ImportError)
pytest.importorskip("mirl_mm.segmentation.mmseg_parts", exc_type=ImportError)


def test_segmentor(shapes, tmp_path):
    kind = "dinov2, registers, patch 14"
    start, whole, resumed = whole_and_resumed(small_segmentor, kind, shapes, tmp_path, lora={"r": 2})
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
    for name in whole:
        if name.startswith("backbone."):
            assert torch.equal(whole[name], start[name]) != name.endswith(ADAPTERS), name
