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


@pytest.mark.parametrize(
    ("interval", "counts", "ignore_last", "lines"),
    [
        pytest.param(50, 1, True, [10, 20], id="epochs are shorter than the interval"),
        pytest.param(4, 1, False, [4, 8, 10, 14, 18, 20], id="a line at the end of the epoch, too"),
        pytest.param(3, 4, True, [3, 6, 9, 13, 16, 19], id="updates fall between lines"),
        pytest.param(2, 7, True, list(range(2, 21, 2)), id="lines fall between updates"),
    ],
)
def test_each_line_has_the_norm_of_the_last_update(tmp_path, interval, counts, ignore_last, lines):
    root = write_images(tmp_path / "data")
    cfg = small_config(
        root,
        tmp_path / "run",
        train_dataloader__batch_size=2,
        optim_wrapper__accumulative_counts=counts,
        default_hooks__logger__interval=interval,
        default_hooks__logger__ignore_last=ignore_last,
    )
    runner = build_runner(cfg, ["train_dataloader"])
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    norms, measured = {}, []

    def spy(optimizer, *_):
        grads = [p.grad.flatten() for group in optimizer.param_groups for p in group["params"]]
        norms[runner.iter + 1] = torch.cat(grads).norm().item()

    runner.optim_wrapper.optimizer.register_step_pre_hook(spy)
    update = runner.message_hub.update_scalar

    def count(name, *args, **kwargs):
        measured.extend([name] * (name == "train/grad_norm"))
        update(name, *args, **kwargs)

    runner.message_hub.update_scalar = count
    runner.train()
    rows = scalars(tmp_path / "run")
    assert [row["step"] for row in rows] == lines
    for row in rows:
        before = [step for step in norms if step <= row["step"]]
        if before:
            assert row["grad_norm"] == pytest.approx(norms[max(before)], rel=1e-5), row["step"]
        else:
            assert "grad_norm" not in row
    assert len(measured) <= len(lines)  # between lines nothing is measured


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
