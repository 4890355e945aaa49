"""Two processes with half the batch each do what one process does with the whole."""

import json
from pathlib import Path

import pytest
import torch

from tests.training import (
    run_tool,
    small_classifier,
    small_config,
    train,
    weights,
    write_class_folders,
    write_images,
)

pytestmark = pytest.mark.usefixtures("two_devices")


def on_two_processes(tool: str, port: int, *arguments) -> None:
    """Run tools/dist_train.sh or tools/dist_test.sh; the number of processes comes behind the first path(s)."""
    outcome = run_tool(f"tools/dist_{tool}.sh", *arguments, python=["bash"], PORT=str(port))
    assert outcome.returncode == 0, outcome.stderr[-3000:]


def test_two_processes_equal_one(tmp_path):
    root = write_images(tmp_path / "data", 16)
    cfg = small_config(root, tmp_path / "one", train_dataloader__batch_size=8)
    # Not AdamW: a key's bias has no gradient but rounding (softmax ignores it), which AdamW blows up to full steps.
    cfg.optim_wrapper.optimizer = {"type": "SGD", "lr": 3.0, "momentum": 0.9}
    cfg.dump(tmp_path / "config.py")
    one = run_tool("tools/train.py", tmp_path / "config.py")
    assert one.returncode == 0, one.stderr[-2000:]
    options = ["--work-dir", tmp_path / "two", "--cfg-options", "train_dataloader.batch_size=4"]
    on_two_processes("train", 29611, tmp_path / "config.py", 2, *options)
    expected, measured = weights(tmp_path / "one"), weights(tmp_path / "two")
    before = weights(tmp_path / "one", 1)
    assert max((before[name] - expected[name]).abs().max() for name in expected) > 1e-3  # training moved the weights
    for name, tensor in expected.items():
        torch.testing.assert_close(measured[name], tensor, rtol=0, atol=1e-5, msg=name)


def test_two_processes_resume_and_test(tmp_path):
    root = write_images(tmp_path / "data", 9)  # an odd number: the last sample is repeated
    (root / "train").rename(root / "val")
    write_images(root, 8)
    cfg = small_config(root, tmp_path / "run", train_dataloader__batch_size=2, train_cfg__max_epochs=1)
    loader = dict(cfg.train_dataloader, batch_size=4, drop_last=False)
    loader.update(sampler={"type": "EpochSampler", "shuffle": False})
    loader["dataset"] = dict(cfg.train_dataloader.dataset, split="val")
    cfg.test_dataloader, cfg.test_cfg, cfg.test_evaluator = loader, {"type": "TestLoop"}, {"type": "MaskedLoss"}
    cfg.dump(tmp_path / "config.py")
    common = ["--work-dir", tmp_path / "run"]
    on_two_processes("train", 29612, tmp_path / "config.py", 2, *common)
    more = ["--resume", "--cfg-options", "train_cfg.max_epochs=2"]
    on_two_processes("train", 29613, tmp_path / "config.py", 2, *common, *more)
    checkpoint = tmp_path / "run/epoch_2.pth"
    on_two_processes("test", 29614, tmp_path / "config.py", checkpoint, 2, *common, "--json", tmp_path / "two.json")
    alone = run_tool("tools/test.py", tmp_path / "config.py", checkpoint, *common, "--json", tmp_path / "one.json")
    assert alone.returncode == 0, alone.stderr[-2000:]
    assert read(tmp_path / "two.json") == pytest.approx(read(tmp_path / "one.json"), rel=1e-5)


@pytest.mark.slow
def test_two_processes_classify_as_one(tmp_path):
    cfg = small_classifier(
        write_class_folders(tmp_path / "data", 8, 9), tmp_path / "run", train_cfg__max_epochs=1
    )  # nine images: the last one of the second process is a repetition
    train(cfg)
    cfg.dump(tmp_path / "config.py")
    command = [tmp_path / "config.py", tmp_path / "run/epoch_1.pth"]
    results = {}
    for number in ("one", "two"):
        options = ["--work-dir", tmp_path / "test", "--json", tmp_path / f"{number}.json", "--per-class"]
        options += ["--predictions", tmp_path / f"{number}.csv"]
        if number == "one":
            outcome = run_tool("tools/test.py", *command, *options)
            assert outcome.returncode == 0, outcome.stderr[-2000:]
        else:
            on_two_processes("test", 29615, *command, 2, *options)
        results[number] = read(tmp_path / f"{number}.json")
    assert results["one"] == pytest.approx(results["two"])
    assert len(results["one"]) == 4
    for ending in (".csv", "_ema.csv"):
        one, two = ((tmp_path / f"{number}{ending}").read_text().splitlines() for number in ("one", "two"))
        assert [row.split(",")[:3] for row in one] == [row.split(",")[:3] for row in two]
        assert len(one) == 1 + 9


def read(path: Path) -> dict[str, float]:
    return json.loads(path.read_text())
