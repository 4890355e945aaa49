"""mmdet's and mmseg's models take a step of training and one of testing."""

import copy
import re

import pytest
import torch

from mirl_mm.mmcv_ops import source
from mirl_mm.mmcv_ops.ext import OPS, CompiledOpMissing
from tests.mmcv_ops.models import BEYOND, DETECTORS, SEGMENTORS, build

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(source() == "compiled", reason="mmcv has compiled ops here"),
]
MODELS = [
    pytest.param(library, name, config, id=f"{library} {name}")
    for library, configs in (("mmdet", DETECTORS), ("mmseg", SEGMENTORS))
    for name, config in configs.items()
]


@pytest.fixture
def asked(monkeypatch):
    """The ops of ``mmcv._ext`` that are called."""
    names = set()

    def recording(name, op):
        def call(*args, **kwargs):
            names.add(re.sub("_(forward|backward).*", "", name))
            return op(*args, **kwargs)

        return call

    for name, op in OPS.items():
        monkeypatch.setitem(OPS, name, recording(name, op))
    return names


@pytest.mark.parametrize(("library", "name", "config"), MODELS)
def test_a_step_of_training_and_one_of_testing(library, name, config, device, asked):
    pytest.importorskip(library)
    if name == "RepPoints" and device.type == "cuda":
        pytest.skip("mmdet's PointAssigner makes its indices on the CPU, and a GPU's can't index them (mmdet 3.5.1)")
    model, batch = build(library, config, device.type)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    loss, _ = model.parse_losses(model(**model.data_preprocessor(copy.deepcopy(batch), training=True), mode="loss"))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
    torch.optim.SGD(model.parameters(), lr=1e-3).step()
    assert loss.isfinite()
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    model.eval()
    with torch.no_grad():
        assert len(model.test_step({key: value[:1] for key, value in batch.items()})) == 1
    print(f"{library} {name}: {', '.join(sorted(asked))}")
    if device.type == "cpu":
        assert asked - {"nms", "roi_align"} == BEYOND.get(name, set())


def test_a_model_whose_op_is_missing_says_so():
    pytest.importorskip("mmdet")
    model, batch = build("mmdet", "dcn/faster-rcnn_r50_fpn_dpool_1x_coco", "cpu")
    with pytest.raises(CompiledOpMissing, match="deform_roi_pool_forward"):
        model(**model.data_preprocessor(batch, training=True), mode="loss")
