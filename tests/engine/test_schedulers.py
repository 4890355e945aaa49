import json

import pytest
import torch
from mmengine.optim import LinearLR, MultiStepLR, OptimWrapper, PolyLR

from mirl_mm.engine import WarmupCosineLR, WarmupPolyLR, WarmupStepLR
from tests.golden import GOLDEN


def optimizer(accumulative_counts: int = 1) -> OptimWrapper:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (2.4e-3, 1.2e-3)]
    return OptimWrapper(torch.optim.SGD(groups), accumulative_counts=accumulative_counts)


def schedule(epoch_length: int, **kwargs) -> tuple[OptimWrapper, WarmupCosineLR]:
    wrapper = optimizer()
    return wrapper, WarmupCosineLR.build_iter_from_epoch(wrapper, epoch_length=epoch_length, **kwargs)


def rates(wrapper: OptimWrapper, schedules: list, steps: int) -> list[list[float]]:
    """Those of both groups at each of the next steps."""
    found = []
    wrapper.optimizer.step()
    for _ in range(steps):
        found.append([group["lr"] for group in wrapper.optimizer.param_groups])
        for each in schedules:
            each.step()
    return found


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
    with pytest.raises(ValueError, match="shorter than the schedule, got warmup=50, end=50: give fewer steps"):
        schedule(10, warmup=5, end=5)


def test_a_share_of_the_schedule_as_warmup():
    assert schedule(10, warmup=0.25, end=8)[1].warmup == schedule(10, warmup=2, end=8)[1].warmup == 20
    assert schedule(1, warmup=0.01, end=8)[1].warmup == 0.08  # of a step, and not taken for a share again


def test_detections_schedule_is_mmengines_to_the_last_bit():
    wrapper, theirs = optimizer(), optimizer()
    ours = WarmupStepLR(wrapper, warmup=250, end=2250, start_factor=1e-3, milestones=[8 / 9, 26 / 27], by_epoch=False)
    chain = [
        LinearLR(theirs, start_factor=1e-3, begin=0, end=251, by_epoch=False),
        MultiStepLR(theirs, milestones=[2000, 2167], gamma=0.1, end=2250, by_epoch=False),
    ]
    assert rates(wrapper, [ours], 2250) == rates(theirs, chain, 2250)


@pytest.mark.parametrize("power", [1.0, 0.9])
def test_segmentations_schedule_is_mmengines_to_the_last_bit(power):
    wrapper, theirs = optimizer(), optimizer()
    ours = WarmupPolyLR(wrapper, warmup=150, end=1600, start_factor=1e-6, power=power, by_epoch=False)
    chain = [
        LinearLR(theirs, start_factor=1e-6, begin=0, end=151, by_epoch=False),
        PolyLR(theirs, power=power, eta_min=0.0, begin=150, end=1601, by_epoch=False),
    ]
    assert rates(wrapper, [ours], 1600) == rates(theirs, chain, 1600)


def test_milestones_are_whole_updates():
    """Of 184,375 updates and of four times as many steps: ViTDet's 163,889 and 177,546."""
    for update in (1, 4):
        places = WarmupStepLR(
            optimizer(update), warmup=0, end=184375 * update, milestones=[8 / 9, 26 / 27, 5], by_epoch=False
        ).milestones
        assert set(places) == {163889 * update, 177546 * update, 5}
    by_epoch = WarmupStepLR.build_iter_from_epoch(optimizer(), warmup=1, end=9, milestones=[8 / 9, 3], epoch_length=10)
    assert (set(by_epoch.milestones), by_epoch.warmup, by_epoch.end) == ({80, 30}, 10, 90)
    with pytest.raises(ValueError, match=r"milestones must be steps, or shares of the length, above 0, got \[0, 5\]"):
        WarmupStepLR(optimizer(), warmup=0, end=9, milestones=[0, 5])


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (WarmupCosineLR, {"min_ratio": 0.1}),
        (WarmupPolyLR, {}),
        (WarmupStepLR, {"milestones": [0.5, 0.9]}),
    ],
)
@pytest.mark.parametrize(("done", "old", "new"), [(25, 60, 90), (60, 60, 90), (40, 60, 50), (3, 60, 90)])
def test_a_resumed_schedule_of_another_length(kind, settings, done, old, new, capsys):
    """The rates are those of a run that had the new length from the start."""
    wrapper = optimizer()
    before = kind(wrapper, warmup=0.1, end=old, by_epoch=False, **settings)
    rates(wrapper, [before], done)
    again = optimizer()
    after = kind(again, warmup=0.1, end=new, by_epoch=False, **settings)
    again.load_state_dict(wrapper.state_dict())  # in mmengine's order
    after.load_state_dict(before.state_dict())
    assert f"(end {old}, here {new}): from step {done} on" in capsys.readouterr().out
    whole = optimizer()
    fresh = kind(whole, warmup=0.1, end=new, by_epoch=False, **settings)
    assert rates(again, [after], new - done) == rates(whole, [fresh], new)[done:]


def test_a_resumed_schedule_of_the_same_length_goes_on(capsys):
    wrapper, again = optimizer(), optimizer()
    before = WarmupPolyLR(wrapper, warmup=5, end=60, by_epoch=False)
    first = rates(wrapper, [before], 20)
    after = WarmupPolyLR(again, warmup=5, end=60, by_epoch=False)
    again.load_state_dict(wrapper.state_dict())
    after.load_state_dict(before.state_dict())
    assert capsys.readouterr().out == ""
    whole = optimizer()
    fresh = WarmupPolyLR(whole, warmup=5, end=60, by_epoch=False)
    assert first + rates(again, [after], 40) == rates(whole, [fresh], 60)
