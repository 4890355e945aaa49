"""A validation that a kill cut off is caught up on."""

import json

import pytest
import torch
from mmengine.hooks import Hook

from mirl_mm.engine.ema import EMAValLoop
from mirl_mm.engine.launch import build_runner
from mirl_mm.engine.validation_record import RECORD
from tests.conftest import forget_runs
from tests.stress.compare import folder_differences
from tests.training import small_classifier, write_class_folders

BEST = {"max_keep_ckpts": 3, "save_best": "ema/accuracy/top1", "rule": "greater"}


class Killed(Exception):
    pass


class DiesAt(Hook):
    """Raises in place of a kill."""

    def __init__(self, stage, epoch):
        self.stage, self.epoch = stage, epoch

    def _die(self, stage, runner):
        if stage == self.stage and runner.epoch == self.epoch:
            raise Killed

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        self._die("val", runner)

    def after_val_epoch(self, runner, metrics=None):
        self._die("saved", runner)

    def before_train_epoch(self, runner):
        self._die("train", runner)


def run(cfg, dies=None):
    forget_runs()
    runner = build_runner(cfg, ["train_dataloader", "val_dataloader"])
    if dies is not None:
        runner.register_hook(dies, "LOWEST")
    runner.train()
    return runner


def config(folder, name, **more):
    cfg = small_classifier(folder / "data", folder / name, train_cfg__max_epochs=3, param_scheduler__end=3)
    cfg.default_hooks.checkpoint.update(BEST)
    cfg.update(more)
    return cfg


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("validations")
    write_class_folders(folder / "data")
    run(config(folder, "whole"))
    return folder


@pytest.mark.parametrize(("stage", "epoch"), [("val", 1), ("val", 3), ("saved", 1), ("train", 2)])
def test_resumed_with_it(whole, stage, epoch, monkeypatch):
    name = f"{stage}_{epoch}"
    with pytest.raises(Killed):
        run(config(whole, name), DiesAt(stage, epoch))
    seen = []
    original = EMAValLoop.run

    def counted(loop):
        seen.append(loop.runner.epoch)
        return original(loop)

    monkeypatch.setattr(EMAValLoop, "run", counted)
    run(config(whole, name, load_from=None, resume=True))
    assert folder_differences(whole / name, whole / "whole") == []
    record = json.loads((whole / name / RECORD).read_text())
    complete = json.loads((whole / "whole" / RECORD).read_text())
    assert list(complete) == ["1", "2", "3"]
    assert record.items() <= complete.items()
    assert "3" in record
    again = stage == "val" or (stage == "saved" and not is_best(whole / name, epoch))
    assert (epoch in seen) == again


def is_best(folder, epoch):
    """Whether that epoch's checkpoint was written once more after its validation, which was then the best so far."""
    scores = [metrics["ema/accuracy/top1"] for metrics in json.loads((folder / RECORD).read_text()).values()]
    return scores[epoch - 1] > max([float("-inf"), *scores[: epoch - 1]])


def test_a_finished_run_is_not_validated_again(whole, monkeypatch):
    monkeypatch.setattr(EMAValLoop, "run", lambda *_: pytest.fail("validated"))
    run(config(whole, "whole", resume=True))


def test_a_new_run_begins_a_new_record(whole):
    cfg = config(whole, "anew")
    run(cfg)
    with pytest.raises(Killed):
        run(config(whole, "anew"), DiesAt("val", 1))
    assert json.loads((whole / "anew" / RECORD).read_text()) == {}


def test_a_damaged_record_means_one_validation_more(whole):
    with pytest.raises(Killed):
        run(config(whole, "torn"), DiesAt("train", 2))
    (whole / "torn" / RECORD).write_bytes(b"\x80{")
    run(config(whole, "torn", resume=True))
    assert folder_differences(whole / "torn", whole / "whole") == []
    assert torch.load(whole / "torn/epoch_3.pth", weights_only=False)["meta"]["epoch"] == 3
