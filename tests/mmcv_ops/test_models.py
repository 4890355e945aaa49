"""mmdet's and mmseg's models take a step of training and one of testing."""

import copy
import os

import pytest
import torch

from mirl_mm.mmcv_ops.ext import OPS
from tests.mmcv_ops.models import DETECTORS, SEGMENTORS, build


@pytest.fixture
def asked(monkeypatch):
    """The ops of ``mmcv._ext`` that are called."""
    names = set()

    def recording(name, op):
        def call(*args, **kwargs):
            names.add(name)
            return op(*args, **kwargs)

        return call

    for name, op in OPS.items():
        monkeypatch.setitem(OPS, name, recording(name, op))
    return names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "config"),
    [
        pytest.param(library, config, id=f"{library} {name}")
        for library, configs in (("mmdet", DETECTORS), ("mmseg", SEGMENTORS))
        for name, config in configs.items()
    ],
)
def test_a_step_of_training_and_one_of_testing(library, config, asked):
    pytest.importorskip(library)
    model, batch = build(library, config, "cpu")
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    data = model.data_preprocessor(copy.deepcopy(batch), training=True)
    losses = model(**data, mode="loss")
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert loss.isfinite()
    before = [p.detach().clone() for p in model.parameters()]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
    optimizer.step()
    assert any(not torch.equal(p, q) for p, q in zip(before, model.parameters(), strict=True))
    model.eval()
    with torch.no_grad():
        results = model.test_step(copy.deepcopy(batch))
    assert len(results) == 2
    with open(os.environ.get("OPS_LOG", os.devnull), "a") as file:
        file.write(f"{library} {config}: loss {loss.item():.3f} {sorted(asked)}\n")
