import json

import pytest
import torch
from mmengine.optim import OptimWrapper

from mirl_mm.engine import WarmupCosineLR
from tests.golden import GOLDEN


def schedule(epoch_length: int, **kwargs) -> tuple[OptimWrapper, WarmupCosineLR]:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (2.4e-3, 1.2e-3)]
    wrapper = OptimWrapper(torch.optim.SGD(groups))
    return wrapper, WarmupCosineLR.build_iter_from_epoch(wrapper, epoch_length=epoch_length, **kwargs)


def test_golden_points():
    golden = json.loads((GOLDEN / "lr_schedule.json").read_text())
    wrapper, scheduler = schedule(100, warmup=golden["warmup_epochs"], end=golden["epochs"])
    expected = {round(epoch * 100): lr for epoch, lr in golden["points"]}
    for step in range(max(expected) + 1):
        if step in expected:
            first, second = (group["lr"] for group in wrapper.optimizer.param_groups)
            assert first == pytest.approx(expected[step], rel=1e-6, abs=0)
            assert second == pytest.approx(expected[step] / 2, rel=1e-6, abs=0)
        scheduler.step()


def test_ends_at_the_ratio_of_each_group():
    wrapper, scheduler = schedule(10, warmup=1, end=5, min_ratio=0.25)
    assert scheduler.factor(50) == pytest.approx(0.25)
    for _ in range(49):
        scheduler.step()
    last = [group["lr"] for group in wrapper.optimizer.param_groups]
    assert last[0] == pytest.approx(2 * last[1])
    assert last[0] == pytest.approx(2.4e-3 * scheduler.factor(49))


def test_no_warmup_starts_at_the_top():
    wrapper, _ = schedule(10, warmup=0, end=5)
    assert wrapper.optimizer.param_groups[0]["lr"] == 2.4e-3


def test_warmup_longer_than_the_schedule():
    with pytest.raises(ValueError, match="shorter than the schedule, got warmup=50, end=50"):
        schedule(10, warmup=5, end=5)
