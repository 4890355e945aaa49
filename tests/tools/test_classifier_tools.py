"""tools/train.py --pretrained and tools/test.py --per-class, --predictions on a classifier."""

import csv
import json

import pytest
import torch

from mirl_mm.registry import MODELS
from tests.tools.test_train_and_test import call
from tests.training import ROOT, small_classifier, small_config, write_class_folders


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cls")
    data = write_class_folders(folder / "data", 12, 9)
    cfg = small_classifier(data, folder / "run", train_cfg__max_epochs=1)
    cfg.dump(folder / "config.py")
    pretraining = MODELS.build({**small_config(data, folder / "pre").model, "_scope_": "mirl_mm"})
    torch.save({"state_dict": pretraining.state_dict(), "meta": {}}, folder / "pre.pth")
    call("train.py", folder / "config.py", "--work-dir", folder / "run", "--pretrained", folder / "pre.pth")
    return folder


def test_pretrained_weights_are_those_of_the_file(trained):
    """At a rate that moves nothing."""
    still = ["--cfg-options", "optim_wrapper.optimizer.lr=0.0", "optim_wrapper.optimizer.weight_decay=0.0"]
    command = [trained / "config.py", "--work-dir", trained / "still", "--pretrained", trained / "pre.pth"]
    call("train.py", *command, "--no-validate", *still)
    expected = torch.load(trained / "pre.pth")["state_dict"]
    found = torch.load(trained / "still/epoch_1.pth", weights_only=False)["state_dict"]
    shared = [name for name in found if name.startswith("backbone.")]
    assert len(shared) > 20
    assert all(torch.equal(found[name], expected[name]) for name in shared)


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_predictions_and_classes(trained, capsys, ending):
    file = trained / f"found.{ending}"
    command = [trained / "config.py", trained / "run/epoch_1.pth", "--work-dir", trained / "test"]
    call("test.py", *command, "--per-class", "--predictions", file, "--json", trained / "metrics.json")
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics.keys() == {f"{ema}accuracy/{name}" for ema in ("", "ema/") for name in ("top1", "mean_class")}
    for prefix, path in (("", file), ("ema/", trained / f"found_ema.{ending}")):
        if ending == "csv":
            rows = [(row["label"], row["class_1"]) for row in csv.DictReader(path.open())]
        else:
            rows = [(row["label"], row["top"][0]["class"]) for row in json.loads(path.read_text())]
        assert len(rows) == 9
        assert metrics[f"{prefix}accuracy/top1"] == pytest.approx(100 * sum(a == b for a, b in rows) / 9)
        per_class = [[a == b for a, b in rows if a == name] for name in ("cat", "dog")]
        mean = sum(100 * sum(hits) / len(hits) for hits in per_class) / 2
        assert metrics[f"{prefix}accuracy/mean_class"] == pytest.approx(mean)
    printed = capsys.readouterr().out
    assert "accuracy of each class" in printed and "ema/accuracy of each class" in printed


def test_refusals(trained, tmp_path):
    command = [trained / "config.py", trained / "run/epoch_1.pth", "--work-dir", trained / "test"]
    with pytest.raises(ValueError, match=r"a file ending in \.csv or \.json, got 'found\.txt'"):
        call("test.py", *command, "--predictions", "found.txt")
    pretraining = ROOT / "configs/pretrain/mirl_tiny24_64px.py"
    for option in (["--per-class"], ["--predictions", tmp_path / "a.csv"]):
        with pytest.raises(
            ValueError, match=rf"{option[0]} is for classifiers.*: none of .* \(MaskedLoss\) has an option"
        ):
            call("test.py", pretraining, trained / "run/epoch_1.pth", "--work-dir", tmp_path, *option)
    (tmp_path / "a.pth").write_bytes(b"\xff\xd8\xff" * 100)
    command = [trained / "config.py", "--work-dir", tmp_path / "run", "--pretrained"]
    with pytest.raises(ValueError, match=r"a\.pth' \(300 bytes\) is no weight file"):
        call("train.py", *command, tmp_path / "a.pth")
    with pytest.raises(FileNotFoundError, match=r"no checkpoint '/none\.pth'"):
        call("train.py", *command, "/none.pth")
