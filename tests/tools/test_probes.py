"""tools/analysis_tools/{knn,depth_probe}.py from the command line."""

import json
import re
import runpy

import pytest
import torch
from mmengine.config import Config

from mirl_mm.probing.encoder import load_encoder
from tests.probing.checkpoints import write_checkpoint
from tests.probing.folders import write_classes
from tests.training import ROOT, write_images

TOOLS = ROOT / "tools/analysis_tools"
SMALL = ["-k", "5", "--workers", "0"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probes")
    write_classes(write_classes(folder / "data", "train", 8), "val", 3)
    write_images(folder / "flat", 4)
    (folder / "flat/val").symlink_to(folder / "flat/train")
    write_classes(write_classes(folder / "differ", "train", 8), "val", 3, ("blue", "green", "rot"))
    write_checkpoint(folder, seed=1)
    write_checkpoint(folder, "mae.pth", "MAE", seed=2)
    content = torch.load(folder / "mirl.pth", weights_only=False)
    Config.fromstring(content["meta"]["cfg"], ".py").dump(folder / "config.py")
    torch.save(content["state_dict"], folder / "bare.pth")
    return folder


def call(monkeypatch, tool, *arguments):
    """Run a tool in this process."""
    monkeypatch.setattr("sys.argv", [f"{tool}.py", *map(str, arguments), *SMALL])
    runpy.run_path(str(TOOLS / f"{tool}.py"), run_name="__main__")


def test_knn(folder, monkeypatch, capsys):
    out = folder / "knn.json"
    common = ["--data-root", folder / "data"]
    call(monkeypatch, "knn", folder / "mirl.pth", *common, "--json", out)
    figures = json.loads(out.read_text())
    assert figures["depth"] == 4
    assert 0 <= figures["knn_top1"] <= figures["knn_top5"] == 100
    said = capsys.readouterr().out
    assert "24 training and 9 validation images of 3 classes" in said
    assert f"after 4 blocks: k-NN top-1 {figures['knn_top1']:.2f} %, top-5 100.00 %" in said
    call(monkeypatch, "knn", folder / "bare.pth", *common, "--config", folder / "config.py", "--json", out)
    assert json.loads(out.read_text())["knn_top1"] == figures["knn_top1"]
    call(monkeypatch, "knn", folder / "mirl.pth", *common, "--random", "--depth", "0", "--num-val", "3")
    said = capsys.readouterr().out
    assert "24 training and 3 validation images" in said
    assert "random weights, after 0 blocks" in said


def test_depth_probe(folder, monkeypatch, capsys):
    out = folder / "out"
    arguments = [folder / "mirl.pth", folder / "mae.pth", "--labels", "MIRL", "MAE", "--random", "--depths", "segments"]
    call(monkeypatch, "depth_probe", *arguments, "--data-root", folder / "data", "--out-dir", out)
    assert capsys.readouterr().out.splitlines()[-2:] == [str(out / "depth_probe.json"), str(out / "depth_probe.png")]
    assert (out / "depth_probe.png").stat().st_size > 10_000
    content = json.loads((out / "depth_probe.json").read_text())
    assert content["settings"]["k"] == 5
    mirl, mae, baseline = content["encoders"]
    assert [mirl["name"], mae["name"], baseline["name"]] == ["MIRL", "MAE", "random weights"]
    assert (mirl["segments"], mae["segments"], baseline["checkpoint"]) == (2, None, None)
    assert mirl["progress"] == "epoch 3"
    assert mirl["images"] == [24, 9]
    for curve in (mirl, mae, baseline):
        assert list(curve["depths"]) == ["0", "2", "4"]  # MAE is looked at where MIRL's segments end
        assert {"knn_top1", "knn_top5", "linear_top1", "linear_top5", "l2"} <= curve["depths"]["2"].keys()
    assert len({json.dumps(curve["depths"]) for curve in (mirl, mae, baseline)}) == 3


def test_a_baseline_for_each_architecture(folder, monkeypatch):
    content = torch.load(folder / "mirl.pth", weights_only=False)
    content["meta"]["cfg"] = content["meta"]["cfg"].replace("num_heads=2", "num_heads=4", 1)
    torch.save(content, folder / "heads.pth")
    assert load_encoder(folder / "heads.pth").backbone.num_heads == 4
    checkpoints = [folder / name for name in ("mirl.pth", "mae.pth", "heads.pth")]
    labels = ["--labels", "A", "B", "C"]
    out = folder / "three"
    arguments = [*checkpoints, *labels, "--random", "--depths", "1", "--data-root", folder / "data", "--out-dir", out]
    call(monkeypatch, "depth_probe", *arguments)
    names = [encoder["name"] for encoder in json.loads((out / "depth_probe.json").read_text())["encoders"]]
    assert names == ["A", "B", "C", "random weights (A)", "random weights (C)"]


@pytest.mark.parametrize("tool", ["knn", "depth_probe"])
@pytest.mark.parametrize(
    ("checkpoint", "data", "message"),
    [
        ("nowhere.pth", "data", "nowhere.pth"),
        ("bare.pth", "data", "holds no config"),
        ("mirl.pth", "nowhere", "is no folder"),
        (
            "mirl.pth",
            "data/train",
            "has no folder 'train' (there are blue, green, red). The folder needs train and val",
        ),
        ("mirl.pth", "flat", "labelled=True needs one sub-folder per class"),
        ("mirl.pth", "differ", "the classes of training and validation images differ"),
    ],
)
def test_errors_are_said_plainly(folder, monkeypatch, tool, checkpoint, data, message):
    with pytest.raises(SystemExit, match=rf"^error: .*{re.escape(message)}"):
        call(monkeypatch, tool, folder / checkpoint, "--data-root", folder / data)


@pytest.mark.parametrize(
    ("depths", "message"),
    [
        (["5"], r"error: --depths 5, .*mae.pth: .* to 4 \(all of this encoder's\), got \[5\]"),
        (["few"], "error: --depths few, .*'few'"),
        (["segments"], "mae.pth was trained without segments, as all the others: name the depths by numbers"),
    ],
)
def test_depths_that_there_are_not(folder, monkeypatch, depths, message):
    with pytest.raises(SystemExit, match=message):
        call(monkeypatch, "depth_probe", folder / "mae.pth", "--data-root", folder / "data", "--depths", *depths)


def test_labels_and_checkpoints_must_match(folder, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        call(monkeypatch, "depth_probe", "a.pth", "b.pth", "--labels", "A", "--data-root", "x")
    assert "2 checkpoints need as many different labels, got ['A']" in capsys.readouterr().err
