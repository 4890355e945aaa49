"""A detector's adapters train, resume, and are merged in what is exported."""

import pytest
import torch

from mirl_mm.checkpoint.load_report import ADAPTERS
from mirl_mm.export import export_weights, open_source
from tests.detection.small import small_detector
from tests.models.timm_cases import KINDS
from tests.timm_training import whole_and_resumed

pytest.importorskip("peft", exc_type=ImportError)
pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)


def test_detector(shapes, tmp_path):
    kind = next(kind for kind in ("dinov3, rotary", "plain") if kind in KINDS)
    start, whole, resumed = whole_and_resumed(small_detector, kind, shapes, tmp_path, lora={"r": 2})
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=1e-5, atol=1e-6, msg=name)
        if name.startswith("backbone."):
            assert torch.equal(tensor, start[name]) != name.endswith(ADAPTERS), name
    source = open_source(tmp_path / "whole/iter_4.pth")
    written = export_weights(source, tmp_path / "all.safetensors", "mirl", "all")
    assert written.tensors == len([name for name in whole if not name.endswith(ADAPTERS)])
