import json

import pytest
import torch

from mirl_mm.engine.launch import build_runner
from tests.training import small_config, train, write_images


def scalars(work_dir) -> list[dict]:
    (path,) = work_dir.glob("*/vis_data/scalars.json")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_log_has_terms_gradient_norm_and_throughput(tmp_path):
    root = write_images(tmp_path / "data", 8)
    cfg = small_config(root, tmp_path / "run", model__num_segments=2)
    runner = build_runner(cfg, ["train_dataloader"])
    norms = []

    def spy(optimizer, *_):
        grads = [p.grad.flatten() for group in optimizer.param_groups for p in group["params"]]
        norms.append(torch.cat(grads).norm().item())

    step = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.optim_wrapper = step
    step.optimizer.register_step_pre_hook(spy)
    runner.train()
    rows = scalars(tmp_path / "run")
    assert len(rows) == len(norms) == 4
    assert [row["grad_norm"] for row in rows] == pytest.approx(norms, rel=1e-5)
    assert all(row["img_per_s"] > 0 for row in rows)
    assert [row["step"] for row in rows] == [1, 2, 3, 4]


def test_gradient_norm_is_that_before_clipping(tmp_path):
    root = write_images(tmp_path / "data", 8)
    cfg = small_config(root, tmp_path / "run", optim_wrapper__clip_grad={"max_norm": 1e-3})
    runner = build_runner(cfg, ["train_dataloader"])
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    clip, norms = runner.optim_wrapper.clip_func, []

    def spy(parameters, **kwargs):
        norms.append(torch.cat([p.grad.flatten() for p in parameters]).norm().item())
        return clip(parameters, **kwargs)

    runner.optim_wrapper.clip_func = spy
    runner.train()
    logged = [row["grad_norm"] for row in scalars(tmp_path / "run")]
    assert len(logged) == 4 and min(logged) > 1e-2
    assert logged == pytest.approx(norms, rel=1e-5)


def test_corrupt_images_are_counted(tmp_path):
    root = write_images(tmp_path / "data", 8)
    (root / "train" / "003.png").write_text("no image")
    cfg = small_config(root, tmp_path / "run", train_dataloader__dataset__on_corrupt="skip")
    train(cfg)
    assert scalars(tmp_path / "run")[-1]["corrupt"] == 1
    (log,) = (tmp_path / "run").glob("*/*.log")
    assert "skipped an unreadable image: " in log.read_text()
