"""FSDP: two processes that share a model train as one that has it whole, and its checkpoints are ordinary ones."""

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mirl_mm.engine import ModelEMAHook, ShardedRunner
from tests.training import run_tool, small_config, train, write_class_folders, write_images


def config(root: Path, work_dir: Path, **options) -> Config:
    """Layer decay, gradients accumulated and clipped, recomputed blocks: 2 epochs of 2 updates of 2 x 4 images."""
    options = {"train_dataloader__batch_size": 4, "activation_checkpointing": True} | options
    cfg = small_config(root, work_dir, **options)
    cfg.optim_wrapper = {
        "type": "OptimWrapper",
        "optimizer": {"type": "SGD", "lr": 3.0, "momentum": 0.9, "weight_decay": 0.01},
        "constructor": "LayerDecayOptimWrapperConstructor",
        "paramwise_cfg": {"layer_decay": 0.5},
        "clip_grad": {"max_norm": 0.2},
        "accumulative_counts": 2,
    }
    cfg.auto_scale_lr.enable = False
    cfg.dump(work_dir.with_suffix(".py"))
    return cfg


def on_two_processes(port: int, *runs: list, tools: Sequence[str] = ()) -> None:
    """Run tools/train.py, or each of the tools, with each list of arguments, one after the other."""
    launch = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(port)]
    tools = tools or ["tools/train.py"] * len(runs)
    joined = [
        word for tool, run in zip(tools, runs, strict=True) for word in ("+", tool, *run, "--launcher", "pytorch")
    ]
    outcome = run_tool("tests/engine/in_turn.py", *joined, python=[sys.executable, *launch])
    assert outcome.returncode == 0, outcome.stderr[-3000:]


def checkpoint(path: Path) -> dict:
    return torch.load(path, weights_only=False)


def assert_same(path: Path, expected: Path) -> None:
    two, one = checkpoint(path), checkpoint(expected)
    assert list(two["state_dict"]) == list(one["state_dict"])
    for name, tensor in one["state_dict"].items():
        torch.testing.assert_close(two["state_dict"][name], tensor, rtol=0, atol=1e-5, msg=name)
    groups, expected_groups = (each["optimizer"]["param_groups"] for each in (two, one))
    assert len(groups) == 8  # 4 layers, with and without weight decay
    assert [(group["lr"], group["params"]) for group in groups] == [
        (group["lr"], group["params"]) for group in expected_groups
    ]
    for number, state in one["optimizer"]["state"].items():
        moved = two["optimizer"]["state"][number]["momentum_buffer"]
        assert type(moved) is torch.Tensor
        torch.testing.assert_close(moved, state["momentum_buffer"], rtol=0, atol=1e-5)


def test_sharing_a_model_changes_no_training(tmp_path, two_devices):
    root = write_images(tmp_path / "data", 16)
    train(config(root, tmp_path / "one"))
    first, last = (checkpoint(tmp_path / f"one/epoch_{epoch}.pth")["state_dict"] for epoch in (1, 2))
    assert max((last[name] - first[name]).abs().max() for name in last) > 1e-3  # training moved the weights

    # In two processes with half the batch each: from the start, and on from the one process's first epoch.
    config(root, tmp_path / "two", train_dataloader__batch_size=2, default_hooks__checkpoint__max_keep_ckpts=-1)
    config(root, tmp_path / "resumed", train_dataloader__batch_size=2)
    two = [tmp_path / "two.py", "--work-dir", tmp_path / "two", "--fsdp"]
    resumed = [tmp_path / "resumed.py", "--work-dir", tmp_path / "resumed", "--fsdp"]
    on_two_processes(29621, two, [*resumed, "--resume", tmp_path / "one/epoch_1.pth"])
    for work_dir in ("two", "resumed"):
        assert_same(tmp_path / work_dir / "epoch_2.pth", tmp_path / "one/epoch_2.pth")

    # And on in one process from where the two were after an epoch.
    shutil.copy(tmp_path / "one/epoch_2.pth", tmp_path / "expected.pth")
    cfg = config(root, tmp_path / "one")
    cfg.load_from, cfg.resume = str(tmp_path / "two/epoch_1.pth"), True
    train(cfg)
    assert_same(tmp_path / "one/epoch_2.pth", tmp_path / "expected.pth")


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--amp", "--compile"])
def test_sharing_goes_with_bfloat16_and_compiled_blocks(tmp_path, option, two_devices):
    root = write_images(tmp_path / "data", 16)
    for name in ("whole", "shared"):
        config(root, tmp_path / name, train_dataloader__batch_size=2)
    runs = [[tmp_path / f"{name}.py", "--work-dir", tmp_path / name, option] for name in ("whole", "shared")]
    on_two_processes(29624, runs[0], [*runs[1], "--fsdp"])
    whole, shared = (tmp_path / name / "epoch_2.pth" for name in ("whole", "shared"))
    assert_same(shared, whole)


@pytest.mark.slow
def test_hooks_that_look_into_the_model(tmp_path, two_devices):
    root = write_images(tmp_path / "data", 8)
    write_class_folders(tmp_path / "labelled")
    labelled = {"type": "ImageFolder", "data_root": str(tmp_path / "labelled"), "labelled": True}
    hooks = [
        {"type": "ReconstructionHook", "interval": 1, "num_images": 2},
        {"type": "KNNHook", "train": {**labelled, "split": "train"}, "val": {**labelled, "split": "val"}, "k": 3},
    ]
    options = {"train_dataloader__batch_size": 2, "train_cfg__max_epochs": 1, "custom_hooks": hooks}
    for name in ("whole", "shared"):
        config(root, tmp_path / name, **options)
    runs = [[tmp_path / f"{name}.py", "--work-dir", tmp_path / name] for name in ("whole", "shared")]
    on_two_processes(29622, runs[0], [*runs[1], "--fsdp"])
    whole, shared = (reconstruction(tmp_path / name) for name in ("whole", "shared"))
    assert np.abs(whole - shared).max() <= 2  # grey levels
    assert knn_accuracy(tmp_path / "whole") == knn_accuracy(tmp_path / "shared")


def reconstruction(work_dir: Path) -> np.ndarray:
    (picture,) = work_dir.glob("*/vis_data/vis_image/*.png")
    return np.asarray(Image.open(picture), int)


def knn_accuracy(work_dir: Path) -> list[str]:
    (log,) = work_dir.glob("*/*.log")
    found = re.findall(r"knn/top1 [\d.]+ \(percent, .*", log.read_text())
    assert len(found) == 1
    return found


def test_what_can_not_be_sharded_is_refused(tmp_path):
    cfg = config(write_images(tmp_path / "data", 8), tmp_path / "run")
    cfg.runner_type = "mirl_mm.ShardedRunner"
    with pytest.raises(ValueError, match=r"FSDP shards a model .*: start with tools/dist_train.sh or --launcher"):
        train(cfg)


def test_an_average_of_the_weights_is_refused():
    runner = ShardedRunner.__new__(ShardedRunner)
    runner._hooks = [ModelEMAHook()]
    with pytest.raises(ValueError, match=r"FSDP can't keep an average .* custom_hooks = \[\]"):
        runner.train()
