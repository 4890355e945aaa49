"""Depth study and comparison of pre-trainings: small grids of real trainings, stopped and gone on with."""

import csv
import json
import signal
import subprocess
import sys
import time

import pytest

from mirl_mm.shapes import EASY_STYLE, generate
from mirl_mm.studies.labels import LabelStudy
from tests.training import ROOT, environment, run_here, run_tool, write_class_folders

DEPTH, COMPARE = (ROOT / f"tools/analysis_tools/{name}.py" for name in ("depth_study", "compare_pretraining"))


def stop_when(path, *command):
    """Start a tool and press Ctrl-C when a file is there; returns exit code and output."""
    with subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # see test_demo.py
    ) as process:
        deadline = time.monotonic() + 600
        while not path.exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    return process.returncode, output


def read_csv(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_depth_study(tmp_path):
    """Two methods, two depths, two seeds."""
    data = write_class_folders(tmp_path / "data", train=130, val=20)
    out = tmp_path / "study"
    command = [DEPTH, "--data-root", data, "--out-dir", out, "--depths", "12", "24", "--seeds", "0", "1"]
    command += ["--epochs", "2", "--finetune-epochs", "1", "--jobs", "2"]
    command += ["--cfg-options", "train_dataloader.num_workers=0", "val_dataloader.num_workers=0"]
    code, said = stop_when(out / "mirl_24x96_seed0/last_checkpoint", *command)
    assert code == 130 and said.endswith("Stopped. The same command goes on from here.\n"), said
    done = run_tool(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The same" not in done.stdout and "steps are done already" in done.stdout
    numbers = read_csv(out / "numbers.csv")
    for method in ("mirl", "mae"):
        for depth in (12, 24):
            for seed in (0, 1):
                mine = [
                    each
                    for each in numbers
                    if (each["method"], each["depth"], each["seed"]) == (method, str(depth), str(seed))
                ]
                figures = {each["figure"] for each in mine}
                assert figures >= {"knn_last", "linear_last", "top1", "ema_top1", "train_loss"}
                assert sum(each["figure"] == "knn" for each in mine) == depth + 1
    text = (out / "tables.md").read_text()
    assert text.count("| MIRL − MAE | 2 |") == 2 and "random weights" in text
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in ("depths.png", "blocks.png"))
    records = {path.stem: json.loads(path.read_text()) for path in (out / "steps").glob("*.json")}
    assert all(each["ended"] for each in records.values()) and len(records) == 4 + 3 * 8
    assert any(len(each["spans"]) == 2 for each in records.values()), "nothing went on"
    again = run_tool(*command)
    assert again.returncode == 0 and (out / "tables.md").read_text() == text
    other = run_tool(*command, "optim_wrapper.optimizer.weight_decay=0.1")
    assert other.returncode == 1 and "run with other settings" in other.stderr and "Traceback" not in other.stderr


@pytest.mark.slow
def test_compare_pretraining(tmp_path):
    """On generated images, from MIRL's weights of a moment and from random ones."""
    shapes = generate(
        tmp_path / "shapes", num_train=320, num_val=64, size=(64, 64), style=EASY_STYLE, layouts=("folder",)
    )
    folder, pretrained, out = shapes / "folder", tmp_path / "pretrained", tmp_path / "compare"
    pretrain = [
        "configs/shapes/mirl_pretrain_shapes.py",
        "--data-root",
        folder,
        "--work-dir",
        pretrained,
        "--epochs",
        "1",
    ]
    assert run_tool(ROOT / "tools/train.py", *pretrain, "--no-validate").returncode == 0
    command = [COMPARE, "configs/shapes/mirl_cls_shapes.py", "--data-root", folder, "--out-dir", out, "--jobs", "2"]
    command += ["--starts", f"MIRL={pretrained}/epoch_1.pth", "random", "--shares", "0.1", "1", "--seeds", "0", "1"]
    code, said = stop_when(out / "random_100_seed0/epoch_1.pth", *command)
    assert code == 130, said
    done = run_tool(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    scores = read_csv(out / "scores.csv")
    assert len(scores) == 2 * 2 * 2 * 2  # starts, shares, seeds; weights and their average
    assert {each["images"] for each in scores if each["share"] == "0.1"} == {"32"}
    assert all(0 <= float(each["value"]) <= 100 and float(each["seconds"]) > 0 for each in scores)
    text = (out / "table.md").read_text()
    assert "| labelled images | figure | MIRL | random | MIRL − random | time a run |" in text
    assert "| 32 (10 %) | top-1 |" in text and "| 320 (100 %) | top-1 |" in text
    configs = {path.stem: path.read_text() for path in (out / "configs").glob("*.py")}
    assert len(configs) == 8
    lists = [(out / f"data/10_seed{seed}/images.txt").read_text() for seed in (0, 1)]
    assert lists[0] != lists[1] and all(
        str(out / "data/10_seed0/images.txt") in configs[f"{n}_10_seed0"] for n in ("MIRL", "random")
    )


@pytest.mark.slow
@pytest.mark.det
@pytest.mark.seg
def test_shares_of_objects_and_masks(tmp_path):
    """The configs say so, and their data sets have so many images."""
    from mmengine.registry import DATASETS, DefaultScope

    from mirl_mm.engine.launch import load_config

    shapes = generate(tmp_path / "shapes", num_train=40, num_val=4, size=(64, 64), layouts=("coco", "ade"))
    for task, layout in (("det", "coco"), ("seg", "ade")):
        study = LabelStudy(
            tmp_path / task,
            f"configs/shapes/mirl_{task}_shapes.py",
            str(shapes / layout),
            {"random": None},
            (0.1, 1.0),
            (0,),
        )
        lengths = {}
        for (_, share, _), step in study.steps.items():
            cfg = load_config(step.config)
            lengths[share] = cfg.train_cfg.max_iters
            with DefaultScope.overwrite_default_scope(cfg.default_scope):
                assert len(DATASETS.build(cfg.train_dataloader.dataset)) == 40 * share
        assert lengths[0.1] == round(lengths[1.0] * 0.1**0.5)


def test_one_line_for_what_cannot_be(tmp_path, monkeypatch, capsys):
    data = write_class_folders(tmp_path / "data", train=4, val=2)
    for tool, arguments, message in (
        (DEPTH, ["--depths", "7"], "no config of 7 blocks of width 96"),
        (DEPTH, ["--budget", "0"], "--budget 0.0: give hours"),
        (DEPTH, ["--adopt", "x"], "--adopt x: write NAME=VALUE"),
        (COMPARE, ["configs/cls/mirl_tiny24_64px.py", "--starts", "a=none.pth"], "no checkpoint"),
        (COMPARE, ["configs/cls/mirl_tiny24_64px.py", "--starts", "a"], "--starts a: write NAME=CHECKPOINT"),
        (COMPARE, ["configs/cls/mirl_tiny24_64px.py", "--starts", "random", "--shares", "2"], "in (0, 1], got 2.0"),
    ):
        with pytest.raises(SystemExit) as left:
            run_here(monkeypatch, tool, *arguments, "--data-root", data, "--out-dir", tmp_path / "out")
        assert message in str(left.value.code)
