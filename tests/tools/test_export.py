"""The export tools from the command line."""

import re
import runpy

import pytest
import torch

from tests.export.checkpoints import classifier, pretrainer, write, write_detector
from tests.training import ROOT

CONVERTERS = ROOT / "tools/model_converters"


def run(monkeypatch, tool: str, *arguments) -> None:
    monkeypatch.setattr("sys.argv", [tool, *map(str, arguments)])
    runpy.run_path(str(CONVERTERS / tool), run_name="__main__")


def test_printed_call_loads_the_file(tmp_path, monkeypatch, capsys):
    model = write(tmp_path / "epoch_3.pth", classifier())
    run(monkeypatch, "export_weights.py", tmp_path / "epoch_3.pth", tmp_path / "a.safetensors")
    printed = capsys.readouterr().out
    assert "classifier, 32 tensors" in printed and "weights: the trained weights (there is no average)" in printed
    imports, call, other = printed.splitlines()[-3:]
    scope: dict = {}
    exec(imports, scope)
    images = torch.randn(1, 3, 32, 48)
    for expression in (call, other.removeprefix("or ")):
        torch.testing.assert_close(eval(expression, scope).eval()(images), model(images), rtol=0, atol=1e-6)


def test_our_layout(tmp_path, monkeypatch, capsys):
    write(tmp_path / "epoch_3.pth", pretrainer())
    run(monkeypatch, "export_weights.py", tmp_path / "epoch_3.pth", tmp_path / "a.pth", "--layout", "mirl", "--hash")
    (path,) = tmp_path.glob("a-*.pth")
    assert f"init_cfg=dict(type='Pretrained', checkpoint={str(path)!r}, prefix='backbone.')" in capsys.readouterr().out


def test_onnx(tmp_path, monkeypatch, capsys):
    write(tmp_path / "epoch_3.pth", pretrainer())
    options = ["--features", "0", "-1", "--kind", "class"]
    run(monkeypatch, "export_onnx.py", tmp_path / "epoch_3.pth", tmp_path / "a.onnx", *options)
    printed = capsys.readouterr().out
    assert "output class_0: ['batch', 24]\noutput class_1: ['batch', 24]" in printed
    assert re.search(r"differs by at most \d\.\de-0\d of the largest value \(random images, batch of 3\)", printed)


@pytest.mark.det
@pytest.mark.parametrize(("tool", "out"), [("export_weights.py", "a.safetensors"), ("export_onnx.py", "a.onnx")])
def test_a_detector_is_not_exported_in_part_unasked(tmp_path, monkeypatch, tool, out):
    pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
    write_detector(tmp_path / "iter_9.pth")
    message = r"^error: iter_9.pth holds a MaskRCNN, .*--part backbone .* alone, without neck, roi_head, rpn_head"
    with pytest.raises(SystemExit, match=message):
        run(monkeypatch, tool, tmp_path / "iter_9.pth", tmp_path / out)
    assert not (tmp_path / out).exists()


@pytest.mark.det
def test_a_detectors_backbone_in_onnx(tmp_path, monkeypatch, capsys):
    pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
    write_detector(tmp_path / "iter_9.pth")
    run(monkeypatch, "export_onnx.py", tmp_path / "iter_9.pth", tmp_path / "a.onnx", "--part", "backbone")
    printed = capsys.readouterr().out
    assert "\nthe backbone alone: neck, roi_head, rpn_head of the MaskRCNN are not in the file\n" in printed
    assert "output map_1: ['batch', 24, 4, 6]\n" in printed


@pytest.mark.det
@pytest.mark.parametrize("part", ["backbone", "all"])
def test_a_detectors_weights(tmp_path, monkeypatch, part):
    pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
    backbone = write_detector(tmp_path / "iter_9.pth")
    out = tmp_path / "a.pth"
    run(monkeypatch, "export_weights.py", tmp_path / "iter_9.pth", out, "--layout", "mirl", "--part", part)
    names = set(torch.load(out, weights_only=True)["state_dict"])
    assert {f"backbone.{name}" for name in backbone.state_dict()} <= names
    assert ("roi_head.weight" in names) == (part == "all")


@pytest.mark.parametrize("tool", ["export_weights.py", "export_onnx.py"])
@pytest.mark.parametrize(
    ("checkpoint", "options", "message"),
    [
        ("none.pth", [], "no checkpoint"),
        ("text.pth", [], "is no weight file"),
        ("half.pth", [], "is no whole PyTorch checkpoint"),
        ("epoch_3.pth", ["--part", "classifier"], "holds no classifier"),
        ("epoch_3.pth", ["--weights", "ema"], "has no average"),
    ],
)
def test_errors_are_said_plainly(tmp_path, monkeypatch, tool, checkpoint, options, message):
    write(tmp_path / "epoch_3.pth", pretrainer())
    content = (tmp_path / "epoch_3.pth").read_bytes()
    (tmp_path / "half.pth").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.pth").write_text("no checkpoint at all, but a letter\n" * 10)
    before = sorted(tmp_path.iterdir())
    out = tmp_path / ("a.onnx" if "onnx" in tool else "a.safetensors")
    with pytest.raises(SystemExit, match=rf"^error: .*{re.escape(message)}"):
        run(monkeypatch, tool, tmp_path / checkpoint, out, *options)
    assert sorted(tmp_path.iterdir()) == before
