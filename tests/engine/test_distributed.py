"""Two processes with half the batch each do what one process does with the whole."""

import json
from pathlib import Path

import pytest
import torch

from tests.engine.test_sharded import on_two_processes
from tests.training import (
    run_here,
    run_tool,
    small_classifier,
    small_config,
    train,
    weights,
    write_class_folders,
    write_images,
)

pytestmark = pytest.mark.usefixtures("two_devices")


def by_script(tool: str, port: int, *arguments) -> None:
    """Run tools/dist_train.sh or tools/dist_test.sh; the number of processes comes behind the first path(s)."""
    outcome = run_tool(f"tools/dist_{tool}.sh", *arguments, python=["bash"], PORT=str(port))
    assert outcome.returncode == 0, outcome.stderr[-3000:]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, two_devices) -> Path:
    """Of two processes, which import torch once: a training, another that is resumed, and the test of its end."""
    folder = tmp_path_factory.mktemp("distributed")
    root = write_images(folder / "data", 16)
    cfg = small_config(root, folder / "one", train_dataloader__batch_size=8)
    # Not AdamW: a key's bias has no gradient but rounding (softmax ignores it), which AdamW blows up to full steps.
    cfg.optim_wrapper.optimizer = {"type": "SGD", "lr": 3.0, "momentum": 0.9}
    cfg.dump(folder / "config.py")

    other = write_images(folder / "other", 9)  # an odd number: the last sample is repeated
    (other / "train").rename(other / "val")
    write_images(other, 8)
    cfg = small_config(other, folder / "run", train_dataloader__batch_size=2, train_cfg__max_epochs=1)
    loader = dict(cfg.train_dataloader, batch_size=4, drop_last=False)
    loader.update(sampler={"type": "EpochSampler", "shuffle": False})
    loader["dataset"] = dict(cfg.train_dataloader.dataset, split="val")
    cfg.test_dataloader, cfg.test_cfg, cfg.test_evaluator = loader, {"type": "TestLoop"}, {"type": "MaskedLoss"}
    cfg.dump(folder / "tested.py")

    common = ["--work-dir", folder / "run"]
    on_two_processes(
        29611,
        [folder / "config.py", "--work-dir", folder / "two", "--cfg-options", "train_dataloader.batch_size=4"],
        [folder / "tested.py", *common],
        [folder / "tested.py", *common, "--resume", "--cfg-options", "train_cfg.max_epochs=2"],
        [folder / "tested.py", folder / "run/epoch_2.pth", *common, "--json", folder / "two.json"],
        tools=[*["tools/train.py"] * 3, "tools/test.py"],
    )
    return folder


def test_two_processes_equal_one(runs, monkeypatch):
    run_here(monkeypatch, "tools/train.py", runs / "config.py")
    expected, measured = weights(runs / "one"), weights(runs / "two")
    before = weights(runs / "one", 1)
    assert max((before[name] - expected[name]).abs().max() for name in expected) > 1e-3  # training moved the weights
    for name, tensor in expected.items():
        torch.testing.assert_close(measured[name], tensor, rtol=0, atol=1e-5, msg=name)


def test_two_processes_resume_and_test(runs, monkeypatch):
    arguments = [runs / "tested.py", runs / "run/epoch_2.pth", "--work-dir", runs / "alone"]
    run_here(monkeypatch, "tools/test.py", *arguments, "--json", runs / "one.json")
    assert read(runs / "two.json") == pytest.approx(read(runs / "one.json"), rel=1e-5)


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
            by_script("test", 29615, *command, 2, *options)
        results[number] = read(tmp_path / f"{number}.json")
    assert results["one"] == pytest.approx(results["two"])
    assert len(results["one"]) == 4
    for ending in (".csv", "_ema.csv"):
        one, two = ((tmp_path / f"{number}{ending}").read_text().splitlines() for number in ("one", "two"))
        assert [row.split(",")[:3] for row in one] == [row.split(",")[:3] for row in two]
        assert len(one) == 1 + 9


def read(path: Path) -> dict[str, float]:
    return json.loads(path.read_text())
