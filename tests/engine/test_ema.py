"""The average of the weights: what it is, that both are evaluated, and that it is resumed to the bit."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import ExponentialMovingAverage
from torch import nn

from mirl_mm.engine import WarmupEMA
from mirl_mm.engine.launch import build_runner
from mirl_mm.registry import HOOKS, METRICS
from tests.conftest import forget_runs
from tests.training import small_classifier, train, write_class_folders

pytestmark = pytest.mark.usefixtures("device")

MOMENTUM = 0.6  # its decay, 0.4, is reached at the sixth update


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_class_folders(tmp_path_factory.mktemp("classes"))


def config(data: Path, work_dir: Path, **options) -> Config:
    cfg = small_classifier(data, work_dir, model__backbone__drop_path_rate=0.3, **options)
    cfg.custom_hooks = [{"type": "ModelEMAHook", "momentum": MOMENTUM}]
    return cfg


def saved(path: Path) -> dict:
    return torch.load(path, weights_only=False)


class Recorder(Hook):
    """Keeps the weights after every update."""

    priority = "VERY_LOW"

    def __init__(self) -> None:
        self.states: list[dict] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.optim_wrapper.should_update():
            self.states.append({name: p.detach().cpu().clone() for name, p in runner.model.named_parameters()})


@pytest.fixture
def recorder():
    hook = Recorder()
    HOOKS.register_module(name="Recorder", module=lambda: hook, force=True)
    yield hook
    HOOKS.module_dict.pop("Recorder")


def decay(updates: int, highest: float = 1 - MOMENTUM) -> float:
    """The rule, as MIRL's fine-tuning code has it."""
    return min(highest, (1 + updates) / (10 + updates))


def one_weight(value: float) -> nn.Module:
    module = nn.Linear(1, 1, bias=False).double()
    module.weight.data.fill_(value)
    return module


@pytest.mark.parametrize("momentum", [2e-4, 2e-3, 2e-2])
def test_rule(momentum):
    values = torch.rand(1000, dtype=torch.double, generator=torch.Generator().manual_seed(0)).add(1).tolist()
    average = WarmupEMA(one_weight(0.0), momentum=momentum)
    expected, theirs = values[0], 0.0
    for updates, value in enumerate(values):
        average.update_parameters(one_weight(value))
        share = decay(updates, 1 - momentum)
        expected = share * expected + (1 - share) * value
        theirs = share * theirs + (1 - share) * value  # MIRL's: from zeros, and divided when it is used
        assert average.module.weight.item() == pytest.approx(expected, rel=1e-12)
        if updates == 0 or updates >= 299:
            corrected = theirs / (1 - share ** (updates + 1))
            assert average.module.weight.item() == pytest.approx(corrected, rel=1e-12 if updates == 0 else 1.5e-4)
    assert average.steps == 1000


@pytest.mark.parametrize(("updates", "before"), [(300, 0.942), (1000, 0.819)])
def test_share_of_the_first_weights(updates, before):
    """What was 94 % and 82 % with the full decay from the start is nothing."""
    shares = {}
    for kind in (ExponentialMovingAverage, WarmupEMA):
        average = kind(one_weight(0.0), momentum=2e-4)
        average.update_parameters(one_weight(1.0))
        for _ in range(updates - 1):
            average.update_parameters(one_weight(0.0))
        shares[kind] = average.module.weight.item()
    assert shares[ExponentialMovingAverage] == pytest.approx(before, abs=5e-4)
    assert 0 < shares[WarmupEMA] < 1e-15


@pytest.mark.parametrize("accumulate", [1, 2])
def test_average_and_file(data, tmp_path, recorder, accumulate):
    cfg = config(data, tmp_path / "run", optim_wrapper__accumulative_counts=accumulate)
    cfg.custom_hooks.append({"type": "Recorder"})
    train(cfg)
    assert len(recorder.states) == 2 * -(-5 // accumulate)
    expected = recorder.states[0]
    for updates, state in enumerate(recorder.states[1:], start=1):
        share = decay(updates)
        expected = {name: share * mean + (1 - share) * state[name] for name, mean in expected.items()}
    checkpoint = saved(tmp_path / "run/epoch_2.pth")
    for key in ("state_dict", "ema_state_dict"):
        assert {tensor.device.type for tensor in checkpoint[key].values()} == {"cpu"}  # any machine reads it
    assert checkpoint["ema_state_dict"]["steps"] == len(recorder.states)
    for name, mean in expected.items():
        torch.testing.assert_close(checkpoint["state_dict"][name], mean, rtol=1e-5, atol=1e-6)
        assert torch.equal(checkpoint["ema_state_dict"][f"module.{name}"], recorder.states[-1][name])


class RightScore(BaseMetric):
    """Mean score of the right class."""

    def process(self, data_batch, data_samples) -> None:
        self.results.extend(sample["pred_score"][sample["gt_label"]].item() for sample in data_samples)

    def compute_metrics(self, results) -> dict[str, float]:
        return {"right": sum(results) / len(results)}


def logged(work_dir: Path) -> list[dict]:
    (path,) = work_dir.glob("*/vis_data/scalars.json")
    return [row for line in path.read_text().splitlines() if "accuracy/top1" in (row := json.loads(line))]


def test_both_are_evaluated_in_training_and_test(data, tmp_path, monkeypatch):
    cfg = config(data, tmp_path / "run")
    monkeypatch.setitem(METRICS.module_dict, "RightScore", RightScore)  # more digits than a count of hits
    cfg.val_evaluator = cfg.test_evaluator = [{"type": "Accuracy"}, {"type": "RightScore"}]
    train(cfg)
    last = logged(tmp_path / "run")[-1]
    assert {"accuracy/top1", "ema/accuracy/top1", "right", "ema/right"} <= last.keys()
    assert last["right"] != last["ema/right"]
    assert "ema_accuracy_top1" in next((tmp_path / "run").glob("best_*")).name

    path = tmp_path / "run/epoch_2.pth"
    found = run_test(cfg, path)
    assert found == pytest.approx({key: last[key] for key in found}, rel=1e-5)
    assert len(found) == 4
    # By hand: each of the two alone, under the name of the weights.
    checkpoint = saved(path)
    raw = {name.removeprefix("module."): value for name, value in checkpoint["ema_state_dict"].items()}
    raw.pop("steps")
    for key, state in (("ema/right", checkpoint["state_dict"]), ("right", raw)):
        torch.save({"state_dict": state, "meta": {}}, tmp_path / "alone.pth")
        alone = run_test(cfg, tmp_path / "alone.pth")
        assert alone.keys() == {"accuracy/top1", "right"}
        assert alone["right"] == pytest.approx(found[key], rel=1e-6)


def run_test(cfg: Config, path: Path) -> dict[str, float]:
    cfg = Config(cfg.to_dict())
    for name in ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler", "auto_scale_lr"):
        cfg.pop(name)
    for name in ("val_dataloader", "val_cfg", "val_evaluator"):
        cfg.pop(name)
    cfg.load_from = str(path)
    cfg.work_dir = str(path.parent / "test")
    forget_runs()
    return build_runner(cfg, ["test_dataloader"]).test()


@pytest.mark.parametrize("accumulate", [1, 2])
def test_resumed_equals_uninterrupted(data, tmp_path, accumulate):
    options = {"optim_wrapper__accumulative_counts": accumulate}
    train(config(data, tmp_path / "whole", **options))
    first = config(data, tmp_path / "parts", **options)
    first.train_cfg.max_epochs = 1  # the schedule stays that of two epochs
    train(first)
    second = config(data, tmp_path / "parts", **options)
    second.load_from, second.resume = str(tmp_path / "parts/epoch_1.pth"), True
    train(second)
    whole, parts = saved(tmp_path / "whole/epoch_2.pth"), saved(tmp_path / "parts/epoch_2.pth")
    for key in ("state_dict", "ema_state_dict"):
        assert all(torch.equal(tensor, parts[key][name]) for name, tensor in whole[key].items())
    assert any(
        not torch.equal(tensor, whole["ema_state_dict"][f"module.{name}"])
        for name, tensor in whole["state_dict"].items()
    )


def test_checkpoint_from_before_the_rule(data, tmp_path, recorder):
    """Its average and the number of its updates go on, with the rule's decay from there."""
    first = config(data, tmp_path / "run")
    first.custom_hooks = [{"type": "ModelEMAHook", "momentum": MOMENTUM, "ema_type": "ExponentialMovingAverage"}]
    first.train_cfg.max_epochs = 1
    train(first)
    start = saved(tmp_path / "run/epoch_1.pth")
    assert start["ema_state_dict"]["steps"] == 5
    second = config(data, tmp_path / "run")
    second.load_from, second.resume = str(tmp_path / "run/epoch_1.pth"), True
    second.custom_hooks[0]["momentum"] = 0.1
    second.custom_hooks.append({"type": "Recorder"})
    train(second)
    end = saved(tmp_path / "run/epoch_2.pth")
    for name, expected in start["state_dict"].items():
        for updates, state in enumerate(recorder.states, start=5):
            share = decay(updates, 0.9)
            expected = share * expected + (1 - share) * state[name] if name in state else expected
        torch.testing.assert_close(end["state_dict"][name], expected, rtol=1e-5, atol=1e-6)


def test_a_loop_that_would_leave_out_the_average(data, tmp_path):
    cfg = config(data, tmp_path / "run")
    cfg.val_cfg = {"type": "ValLoop"}
    with pytest.raises(ValueError, match=r"needs val_cfg=dict\(type='EMAValLoop'\).*got ValLoop"):
        train(cfg)


def test_best_by_an_average_that_is_not_kept(data, tmp_path):
    cfg = config(data, tmp_path / "run")
    cfg.custom_hooks = []
    with pytest.raises(ValueError, match=r"save_best='ema/accuracy/top1' needs .* or set save_best='accuracy/top1'"):
        train(cfg)
    cfg.default_hooks.checkpoint.save_best = "accuracy/top1"
    train(cfg)
    assert "ema/accuracy/top1" not in logged(tmp_path / "run")[-1]
    assert next((tmp_path / "run").glob("best_*")).name.startswith("best_accuracy_top1")
