"""Every group's learning rate in a real run, against the formula of the method."""

import json
import math
import re

import pytest
import torch

from mirl_mm.engine.launch import build_runner
from tests.training import ROOT, small_classifier, write_class_folders

DEPTH, EPOCHS, WARMUP, BATCH, IMAGES = 4, 4, 2, 4, 22
LENGTH = IMAGES // BATCH  # iterations of an epoch


def layer_of(name: str) -> int:
    """Embeddings 0, block i is i + 1, the rest N + 1."""
    if match := re.match(r"backbone\.blocks\.(\d+)\.", name):
        return int(match[1]) + 1
    return 0 if name.startswith(("backbone.cls_token", "backbone.pos_embed", "backbone.patch_embed")) else DEPTH + 1


def expected(name: str, iteration: int, peak: float) -> float:
    """Linear warm-up, half-cosine to 1e-6 (where the peak is 6e-3), per iteration in fractions of epochs, times the
    layer's scale 0.88^(N + 1 - layer)."""
    epoch, least = iteration / LENGTH, peak * 1e-6 / 6e-3
    if epoch < WARMUP:
        rate = peak * epoch / WARMUP
    else:
        rate = least + (peak - least) * 0.5 * (1 + math.cos(math.pi * (epoch - WARMUP) / (EPOCHS - WARMUP)))
    return rate * 0.88 ** (DEPTH + 1 - layer_of(name))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_rates_of_a_run(tmp_path, accumulate):
    cfg = small_classifier(
        write_class_folders(tmp_path / "data", IMAGES, 2),
        tmp_path / "run",
        "cls/mirl_vits_in1k.py",
        model__backbone__img_size=(32, 32),
        model__backbone__arch={"depth": DEPTH, "embed_dims": 16, "num_heads": 2, "_delete_": True},
        train_cfg__max_epochs=EPOCHS,
        param_scheduler__warmup=WARMUP,
        param_scheduler__end=EPOCHS,
        optim_wrapper__optimizer__lr=7.5e-4,
        optim_wrapper__accumulative_counts=accumulate,
        optim_wrapper__type="OptimWrapper",
    )
    for name in ("train_dataloader", "val_dataloader"):
        for step in cfg[name].dataset.pipeline:
            if "size" in step:
                step["size"] = 32 if step["type"] == "ResizeShortSide" else (32, 32)
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    runner = build_runner(cfg, ["train_dataloader"])
    seen: list[tuple[int, dict[str, float]]] = []
    updates: list[int] = []
    step = runner.model.train_step

    def train_step(data, optim_wrapper):
        names = {id(p): name for name, p in runner.model.named_parameters()}
        groups = optim_wrapper.optimizer.param_groups
        seen.append((runner.iter, {names[id(p)]: group["lr"] for group in groups for p in group["params"]}))
        before = runner.model.head.fc.weight.detach().clone()
        outputs = step(data, optim_wrapper)
        if not torch.equal(before, runner.model.head.fc.weight):
            updates.append(runner.iter)
        return outputs

    runner.model.train_step = train_step
    runner.train()

    assert [iteration for iteration, _ in seen] == list(range(EPOCHS * LENGTH))
    peak = 7.5e-4 * BATCH * accumulate / 256
    trainable = {name for name, p in runner.model.named_parameters() if p.requires_grad}
    for iteration, rates in seen:
        assert rates.keys() == trainable
        for name, rate in rates.items():
            assert rate == pytest.approx(expected(name, iteration, peak), rel=1e-9, abs=1e-15), (iteration, name)
    assert max(max(rates.values()) for _, rates in seen) == pytest.approx(peak)
    # Updates: every iteration but the first, whose rate is 0; or every second one and the last of each epoch.
    if accumulate == 1:
        assert updates == list(range(1, EPOCHS * LENGTH))
    else:
        assert updates == [e * LENGTH + i for e in range(EPOCHS) for i in (1, 3, 4)]


def test_layers_are_the_golden_ones():
    """The formula above places parameters as the authors' code does."""
    golden = json.loads((ROOT / "tests/data/golden/layer_decay_depth6_0.88.json").read_text())["params"]
    for name, (scale, _) in golden.items():
        if match := re.match(r"blocks\.(\d+)\.", name):
            assert scale == pytest.approx(0.88 ** (6 - int(match[1])))
