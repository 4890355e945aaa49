"""``--epochs`` and ``--iters``: schedule and intervals follow the length of the training."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from mirl_mm.engine.launch import load_config
from mirl_mm.engine.training_length import set_length
from tests.schedules import rates_of, schedule_of
from tests.training import ROOT, small_config, train, write_images

PRETRAIN = ROOT / "configs/pretrain/mirl_vits54_in1k.py"
FINETUNE = ROOT / "configs/cls/mirl_vitb48_in1k.py"
DETECT = ROOT / "configs/det/mirl_vitb_coco.py"
DETECT_24GB = ROOT / "configs/det/mirl_vitb_24gb_coco.py"
SEGMENT = ROOT / "configs/seg/mirl_vitb_ade20k.py"


@pytest.mark.parametrize("path", [PRETRAIN, FINETUNE, DETECT, DETECT_24GB, SEGMENT], ids=lambda path: path.stem)
def test_the_configs_own_length_changes_nothing(path):
    cfg, before = load_config(path), load_config(path)
    loop = cfg.train_cfg
    set_length(cfg, **({"epochs": loop.max_epochs} if "max_epochs" in loop else {"iters": loop.max_iters}))
    assert cfg.to_dict() == before.to_dict()


def test_a_shorter_pretraining(capsys):
    cfg = load_config(PRETRAIN)
    set_length(cfg, epochs=10)
    schedule, _ = schedule_of(cfg, epoch_length=100)
    assert cfg.train_cfg.max_epochs == 10 and (schedule.warmup, schedule.end) == (100, 1000)
    assert (cfg.train_cfg.val_interval, cfg.custom_hooks[0].interval) == (1, 1)
    assert max(rates_of(cfg, 1000, epoch_length=100)) == 1.0
    said = capsys.readouterr().out
    assert "--epochs 10: train_cfg.max_epochs = 10 (was 800), warm-up of 1 epochs (was 40)" in said
    assert "train_cfg.val_interval = 1 (was 20), ReconstructionHook.interval = 1 (was 20)" in said


@pytest.mark.parametrize(
    ("path", "epochs", "warmup"),
    [
        (PRETRAIN, 100, 10),
        (PRETRAIN, 300, 30),
        (PRETRAIN, 400, 40),
        (PRETRAIN, 1600, 40),
        (PRETRAIN, 5, 0.5),
        (FINETUNE, 30, 15),
        (FINETUNE, 120, 30),
    ],
)
def test_a_warmup_never_grows_and_gets_no_larger_a_share_than_it_had_or_a_tenth(path, epochs, warmup):
    cfg = load_config(path)
    set_length(cfg, epochs=epochs)
    schedule, _ = schedule_of(cfg, epoch_length=100)
    assert schedule.warmup == pytest.approx(100 * warmup)


@pytest.mark.parametrize(("path", "update"), [(DETECT, 1), (DETECT_24GB, 4)])
def test_detections_steps_keep_their_places(path, update):
    cfg = load_config(path)
    set_length(cfg, iters=9000 * update)
    schedule, _ = schedule_of(cfg)
    assert dict(schedule.milestones) == {8000 * update: 1, 8667 * update: 1} and schedule.warmup == 250 * update
    assert cfg.train_cfg.val_interval == 5000 * update
    set_length(cfg, iters=900 * update)
    schedule, _ = schedule_of(cfg)
    assert dict(schedule.milestones) == {800 * update: 1, 867 * update: 1} and schedule.warmup == 90 * update
    assert cfg.train_cfg.val_interval == 90 * update and cfg.default_hooks.logger.interval == 50


def test_schedules_of_mmengine_follow_too():
    cfg = Config(
        {
            "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": 12, "val_interval": 1},
            "param_scheduler": [
                {"type": "LinearLR", "start_factor": 0.001, "by_epoch": False, "begin": 0, "end": 500},
                {"type": "MultiStepLR", "begin": 0, "end": 12, "milestones": [8, 11], "gamma": 0.1},
            ],
        }
    )
    set_length(cfg, epochs=36)
    assert cfg.param_scheduler[0].end == 500
    assert (cfg.param_scheduler[1].begin, cfg.param_scheduler[1].end) == (0, 36)
    assert cfg.param_scheduler[1].milestones == [24, 33]
    cfg = load_config(SEGMENT)
    cfg.param_scheduler = [
        {"type": "LinearLR", "start_factor": 1e-6, "by_epoch": False, "begin": 0, "end": 1501},
        {"type": "PolyLR", "power": 1.0, "by_epoch": False, "begin": 1500, "end": 160001},
    ]
    set_length(cfg, iters=20000)
    assert [each.end for each in cfg.param_scheduler] == [1501, 20001]
    set_length(cfg, iters=2000)
    assert [(each.begin, each.end) for each in cfg.param_scheduler] == [(0, 200), (200, 2001)]


def test_what_was_given_by_name_stays():
    given = {"param_scheduler.warmup": 5, "train_cfg.val_interval": 30, "train_dataloader.batch_size": 8}
    cfg = load_config(PRETRAIN, given)
    cfg.train_dataloader.batch_size = 4  # set later, by something else
    set_length(cfg, epochs=20, given=given)
    assert (cfg.param_scheduler.warmup, cfg.train_cfg.val_interval, cfg.train_dataloader.batch_size) == (5, 30, 4)


@pytest.mark.parametrize(
    ("path", "length", "given", "message"),
    [
        (PRETRAIN, {"epochs": 0}, {}, "--epochs 0: a training has at least 1"),
        (DETECT, {"iters": -3}, {}, "--iters -3: a training has at least 1"),
        (PRETRAIN, {"epochs": 3, "iters": 4}, {}, "--epochs 3 and --iters 4: give one of them"),
        (PRETRAIN, {"iters": 100}, {}, r"--iters 100: this config's training counts epochs \(800\): give --epochs"),
        (PRETRAIN, {"epochs": 3}, {"train_cfg.max_epochs": 3}, "--epochs 3 and train_cfg.max_epochs of --cfg-options"),
    ],
)
def test_refused(path, length, given, message):
    with pytest.raises(ValueError, match=message):
        set_length(load_config(path, given), given=given, **length)


def test_a_config_without_a_training():
    with pytest.raises(ValueError, match="--epochs 2: the config's train_cfg has neither max_epochs nor max_iters"):
        set_length(Config({"train_cfg": None}), epochs=2)


def logged_rates(work_dir: Path) -> dict[int, float]:
    """The learning rate of every iteration, from the logs of all runs of a folder."""
    lines = [line for log in sorted(work_dir.glob("*/vis_data/scalars.json")) for line in log.read_text().splitlines()]
    return {entry["step"]: entry["lr"] for entry in map(json.loads, lines) if "lr" in entry}


def run(data: Path, work_dir: Path, epochs: int, resume: Path | None = None) -> None:
    cfg = small_config(data, work_dir)
    del cfg.param_scheduler["end"]
    set_length(cfg, epochs=epochs)
    cfg.load_from, cfg.resume = resume and str(resume), resume is not None
    train(cfg)


def test_a_finished_training_is_made_longer(tmp_path):
    data = write_images(tmp_path / "data", 8)
    run(data, tmp_path / "run", 2)
    run(data, tmp_path / "run", 4, resume=tmp_path / "run/epoch_2.pth")
    run(data, tmp_path / "whole", 4)
    whole, found = logged_rates(tmp_path / "whole"), logged_rates(tmp_path / "run")
    assert set(found) == set(whole) == set(range(1, 9))
    assert {step: found[step] for step in range(5, 9)} == {step: whole[step] for step in range(5, 9)}
    with pytest.raises(ValueError, match="the checkpoint has 4 epochs behind it, and the training is to have 3: give"):
        run(data, tmp_path / "run", 3, resume=tmp_path / "run/epoch_4.pth")


def test_mmengines_schedule_keeps_to_its_length(tmp_path):
    data = write_images(tmp_path / "data", 8)
    cfg = small_config(data, tmp_path / "run", train_cfg__max_epochs=1)
    cfg.param_scheduler = {"type": "CosineAnnealingLR", "T_max": 1, "by_epoch": True}
    train(cfg)
    cfg = small_config(data, tmp_path / "run")
    cfg.param_scheduler = {"type": "CosineAnnealingLR", "T_max": 2, "by_epoch": True}
    cfg.load_from, cfg.resume = str(tmp_path / "run/epoch_1.pth"), True
    with pytest.raises(ValueError, match=r"with another length: CosineAnnealingLR was to end at 1, and would .* at 2"):
        train(cfg)
