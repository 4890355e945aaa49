"""Memory, traffic and length of a training, against sums by hand and against real processes' numbers."""

import json

import pytest
from mmengine.config import Config

from mirl_mm.analysis.scaling import (
    Batch,
    Parameters,
    count_parameters,
    distribute_update,
    flops_per_image,
    images_seen,
    share,
)
from mirl_mm.engine.launch import load_config
from mirl_mm.registry import MODELS
from tests.training import ROOT, run_here

PARAMETERS = Parameters(all=1000, trained=900, blocks=600, block=100)


def test_ddp_keeps_all_and_reduces_once():
    shares = share(PARAMETERS, Batch(4, 8, 5), fsdp=False)
    assert shares == (4 * (1000 + 3 * 900) + 4 * 900, 0, 2 * 3 / 4 * 4 * 900)
    assert share(PARAMETERS, Batch(1, 8, 5), fsdp=False) == (4 * (1000 + 3 * 900), 0, 0)


def test_fsdp_keeps_a_share_and_moves_in_each_step():
    shares = share(PARAMETERS, Batch(4, 8, 5), fsdp=True)
    assert shares == (1000 + 3 * 900, 4 * (2 * 400 + 3 * 100), 5 * 3 / 4 * 4 * (1000 + 600 + 900))


def test_an_update_is_dealt_out():
    cfg = Config({"train_dataloader": {"batch_size": 64}, "optim_wrapper": {"accumulative_counts": 8}})
    assert distribute_update(cfg, 8, 8) == (8, 64, 8)
    assert distribute_update(cfg, 64, 8) == (64, 64, 1)
    assert distribute_update(cfg, 128, 8) == (128, 32, 1)
    assert distribute_update(cfg, 1, 8).update == 4096
    with pytest.raises(ValueError, match=r"4096 images can't be distributed to 7 GPUs"):
        distribute_update(cfg, 7, 8)


def test_length_of_epochs_and_of_iterations():
    by_epoch = load_config(ROOT / "configs/pretrain/mirl_vitb48_in1k.py")
    assert images_seen(by_epoch, 1000, 8) == 800 * 1000
    by_iteration = Config({"train_cfg": {"by_epoch": False, "max_iters": 10}, "train_dataloader": {"batch_size": 4}})
    assert images_seen(by_iteration, 1000, 2) == 80


def test_a_classifiers_arithmetic_is_three_predictions():
    cfg = load_config(ROOT / "configs/cls/mirl_tiny24_64px.py")
    frozen = load_config(ROOT / "configs/cls/mirl_tiny24_64px_linear.py")
    assert flops_per_image(cfg) == pytest.approx(3 * flops_per_image(frozen), rel=1e-3)
    parameters = count_parameters(MODELS.build({**cfg.model, "_scope_": "mirl_mm"}))
    assert parameters.blocks == 24 * parameters.block


def test_the_tool_puts_a_measurement_and_the_bandwidth_together(tmp_path, monkeypatch, capsys):
    config = "configs/pretrain/mirl_tiny24_64px.py"
    parts = {"data": 0.0, "forward": 1.0, "backward": 2.0, "optimizer": 0.5}
    measured = {"config": config, "batch_size": 64, "variants": {"bf16": {"parts_s": parts}}}
    (tmp_path / "one.json").write_text(json.dumps(measured))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(ROOT)
    command = [config, "--gpus", "1", "2", "--written-for", "2", "--images", "1000"]
    more = ["--measured", tmp_path / "one.json", "--bandwidth", "0.001"]
    run_here(monkeypatch, "tools/analysis_tools/scaling.py", *command, *more)
    printed = capsys.readouterr().out
    lines = {tuple(line.split("│")[i].strip() for i in (1, 3)): line for line in printed.splitlines() if "DP" in line}
    assert set(lines) == {("1", "DDP"), ("2", "DDP"), ("2", "FSDP")}
    assert "20 to 20" in lines["1", "DDP"]  # 128 images in 2 x 3 + 0.5 s, and nothing to send
    traffic = float(share_of_two()) / 1e6
    assert f"{128 / (3.5 + traffic):,.0f} to {128 / max(3.5, traffic):,.0f}" in lines["2", "DDP"]
    with pytest.raises(SystemExit):
        run_here(monkeypatch, "tools/analysis_tools/scaling.py", *command, *more[:2])
    assert "belong together" in capsys.readouterr().err


def share_of_two() -> float:
    """Bytes that DDP sends from one of two GPUs: half of the gradients, twice."""
    cfg = load_config(ROOT / "configs/pretrain/mirl_tiny24_64px.py")
    model = MODELS.build({**cfg.model, "_scope_": "mirl_mm"})
    return 4 * sum(p.numel() for p in model.parameters() if p.requires_grad)
