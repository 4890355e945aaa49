"""``--batch-size``: a number, or as many images as fit, with the config's update."""

import json
import os
from fractions import Fraction

import pytest
import torch
from mmengine.config import Config

from mirl_mm.engine import batch_size, batch_size_search
from mirl_mm.engine.launch import load_config
from mirl_mm.engine.training import prepare_training
from tests.batch import pretend, tried
from tests.training import ROOT, small_classifier, small_config, write_class_folders, write_images

GIB = 2**30


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("data"), 20)


def test_search_doubles_then_halves():
    asked = []
    sizes = [size for size in range(1, 97) if 96 % size == 0]
    assert batch_size_search.search(sizes, lambda size: asked.append(size) or size <= 40) == 32
    assert asked == [1, 2, 4, 8, 16, 32, 96, 48]


@pytest.mark.parametrize(
    ("possible", "fitting", "best"),
    [
        (lambda size: True, 0, None),
        (lambda size: size % 2 == 0, 5, 4),
        (lambda size: size % 2 == 0, 12, 12),
        (lambda size: size % 2 == 0, 1, None),
        (lambda size: False, 12, None),
        (lambda size: True, 3, 3),
    ],
)
def test_search_passes_over_sizes_that_cannot_be(possible, fitting, best):
    found = batch_size_search.search([1, 2, 3, 4, 6, 12], lambda size: size <= fitting if possible(size) else None)
    assert found == best


@pytest.mark.parametrize("factor", [4, Fraction(1, 4)])
def test_steps_are_those_of_the_recipe_with_four_steps_to_an_update(factor):
    names = ["mirl_vitb_coco.py", "mirl_vitb_24gb_coco.py"]
    one, other = (load_config(ROOT / "configs/det" / name) for name in (names if factor == 4 else names[::-1]))
    batch_size.scale_steps(one, Fraction(factor))
    for key in ("param_scheduler", "train_cfg", "default_hooks"):
        assert one[key] == other[key], key


def test_steps_of_mmengines_schedules():
    cfg = Config(
        {
            "train_cfg": {"max_iters": 100, "val_interval": 10},
            "param_scheduler": [
                {"type": "LinearLR", "by_epoch": False, "begin": 0, "end": 11},
                {"type": "MultiStepLR", "by_epoch": False, "milestones": [50, 75]},
                {"type": "CosineAnnealingLR", "by_epoch": True, "T_max": 9},
            ],
            "custom_hooks": [{"type": "X", "by_epoch": False, "interval": 5}, {"type": "Y", "interval": 5}],
        }
    )
    batch_size.scale_steps(cfg, Fraction(3))
    assert cfg.train_cfg == {"max_iters": 300, "val_interval": 30}
    assert [s.get("end", s.get("milestones", s.get("T_max"))) for s in cfg.param_scheduler] == [31, [150, 225], 9]
    assert [hook.interval for hook in cfg.custom_hooks] == [15, 5]


def test_a_number(data, tmp_path):
    cfg = small_config(data, tmp_path)
    prepare_training(cfg, batch_size=2)
    assert cfg.train_dataloader.batch_size == 2 and cfg.optim_wrapper.accumulative_counts == 1
    with pytest.raises(ValueError, match="--batch-size 0: a step has at least 1 image"):
        prepare_training(cfg, batch_size=0)


def test_sizes_are_trained_until_the_memory_is_full(data, tmp_path, monkeypatch):
    """Of real steps only the memory is made up: 100 MiB and 10 for each image."""
    pretend(monkeypatch, lambda size: (100 + 10 * size) * 2**20)
    cfg = small_config(data, tmp_path / "x", optim_wrapper__accumulative_counts=3)
    first, *tries = tried(cfg, tmp_path, images=12, free=200 * 2**20)
    assert first == {"budget": 180 * 2**20, "batch_norm": False}
    assert [(each["size"], each["fits"]) for each in tries] == [
        (1, True), (2, True), (4, True), (12, False), (6, True),
    ]  # fmt: skip
    assert tries[3]["bytes"] == 220 * 2**20  # foreseen


@pytest.fixture
def little_memory(device, monkeypatch):
    """A mebibyte, on a GPU, too."""
    if torch.cuda.is_available():
        monkeypatch.setattr(
            torch.cuda, "mem_get_info", lambda: (2**20, torch.cuda.get_device_properties(0).total_memory)
        )
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 0)
    yield 2**20
    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(1.0)  # of this process, which a trial has to itself


def test_too_little_memory_for_one_image(data, tmp_path, little_memory):
    tries = tried(small_config(data, tmp_path / "x"), tmp_path, images=4, free=little_memory)
    with pytest.raises(RuntimeError, match=r"not even the smallest step can be taken: tried 1 is too much \(.* GiB\)"):
        batch_size._chosen(tries)


def test_mixup_wants_even_sizes(tmp_path, monkeypatch):
    pretend(monkeypatch, lambda size: size)
    data = write_class_folders(tmp_path / "data")
    cfg = small_classifier(data, tmp_path / "x")
    cfg.model.mixup = {"mixup_alpha": 0.8}
    _, *tries = tried(cfg, tmp_path, images=6, free=GIB)
    assert [(each["size"], each["fits"]) for each in tries] == [(1, False), (2, True), (6, True)]
    assert "mixup pairs a batch's images" in tries[0]["error"]


@pytest.fixture
def made_up(monkeypatch):
    """As if memory were for two images, of a model with batch norm."""
    tries = [
        {"budget": 3 * GIB, "batch_norm": True},
        {"size": 1, "bytes": GIB, "fits": True},
        {"size": 2, "bytes": 2 * GIB, "fits": True},
        {"size": 4, "bytes": 4 * GIB, "fits": False},
    ]
    monkeypatch.setattr(batch_size, "_try", lambda cfg, images: tries)


def by_steps(data, work_dir, **options) -> Config:
    cfg = small_config(data, work_dir, optim_wrapper__accumulative_counts=2, **options)
    cfg.train_cfg = {"type": "IterBasedTrainLoop", "max_iters": 20, "val_interval": 10}
    cfg.param_scheduler = {"type": "WarmupCosineLR", "by_epoch": False, "warmup": 4}
    cfg.train_dataloader.sampler = {"type": "EndlessSampler"}
    return cfg


def test_the_update_stays(data, tmp_path, made_up, capsys):
    cfg = by_steps(data, tmp_path / "run")
    prepare_training(cfg, batch_size="auto")
    assert (cfg.train_dataloader.batch_size, cfg.optim_wrapper.accumulative_counts) == (2, 4)
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval, cfg.param_scheduler.warmup) == (40, 20, 8)
    said = (
        "batch size 2: an update of 4 x 2 images, the config's update; tried 1 (1.00 GiB), 2 (2.00 GiB), 4 is too much "
        "(4.00 GiB) of 3.00 GiB; batch norm averages over a step, not over the update"
    )
    assert said in capsys.readouterr().out


def test_a_resumed_run_keeps_its_batch(data, tmp_path, made_up, monkeypatch, capsys):
    prepare_training(by_steps(data, tmp_path), batch_size="auto")
    monkeypatch.setattr(batch_size, "_try", None)
    again = by_steps(data, tmp_path)
    again.resume = True
    batch_size.fit_batch_size(again)
    assert again.train_dataloader.batch_size == 2 and again.train_cfg.max_iters == 40
    assert "as before the interruption" in capsys.readouterr().out
    other = by_steps(data, tmp_path, train_dataloader__batch_size=16)
    other.resume = True
    with pytest.raises(ValueError, match=r"the resumed run has 4 x 2 images of an update in each process .* config 32"):
        batch_size.fit_batch_size(other)
    (tmp_path / "batch_size").unlink()
    with pytest.raises(ValueError, match="was not started with it"):
        batch_size.fit_batch_size(again)


def test_free_memory_is_some_of_the_machines():
    assert 2**20 < batch_size.free_memory() < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_a_process_that_ends_early_is_a_size_that_is_too_large():
    tries = [{"budget": GIB, "batch_norm": False}, {"size": 4, "bytes": 9, "fits": True}]
    tries.append({"error": "Killed", "fits": False, "ended": "ended with -9"})
    assert batch_size._chosen(tries) == 4
    assert batch_size._told(tries, False) == "tried 4 (0.00 GiB) of 1.00 GiB; the process ended with -9"


def test_in_a_process_of_its_own(data, tmp_path, capsys, device):
    cfg = by_steps(data, tmp_path / "run")
    prepare_training(cfg, batch_size="auto")
    assert (cfg.train_dataloader.batch_size, cfg.optim_wrapper.accumulative_counts) == (8, 1)
    assert cfg.train_cfg.max_iters == 10
    assert "batch size 8: an update of 1 x 8 images, the config's update; tried 1 (" in capsys.readouterr().out
    assert json.loads((tmp_path / "run/batch_size").read_text().split()[0]) == 8
