"""tools/analysis_tools/get_flops.py from the command line."""

import re
import runpy
import sys

import pytest

from tests.training import ROOT

TOOL = ROOT / "tools/analysis_tools/get_flops.py"


def run(monkeypatch, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", [str(TOOL), *map(str, arguments)])
    runpy.run_path(str(TOOL), run_name="__main__")


def figures(row: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+\.\d+", row)]


@pytest.mark.parametrize(
    ("config", "millions", "linear", "attention"),
    [("mirl_vits54_in1k", 96.19, 18.88, 20.49), ("mirl_vitb48_in1k", 340.96, 67.04, 69.91)],
)
def test_paper_figures(monkeypatch, capsys, config, millions, linear, attention):
    run(monkeypatch, ROOT / f"configs/pretrain/{config}.py")
    lines = capsys.readouterr().out.splitlines()
    parameters = next(row for row in lines if "parameters" in row)
    assert figures(parameters)[0] == pytest.approx(millions, abs=0.01)
    encoder, step = (figures(row) for row in lines if row.startswith("  forward  "))
    assert encoder == [linear, attention, pytest.approx(2 * attention, abs=0.02)]
    assert step[1] < encoder[1] / 2  # a quarter of the patches, and light decoders


def test_image_size_and_batch(monkeypatch, capsys):
    run(monkeypatch, ROOT / "configs/pretrain/mirl_tiny24_64px.py", "--shape", 32, 96, "--batch-size", 3)
    out = capsys.readouterr().out
    assert "image 32 x 96, 48 patches and the class token" in out
    assert "MIRL, a batch of 3, masked" in out
    plainly = [figures(row) for row in out.splitlines() if "plainly" in row]
    assert len(plainly) == 2
    assert all(row[-1] > 1 for row in plainly)


def test_backbone_of_another_task(monkeypatch, capsys, tmp_path):
    config = tmp_path / "task.py"
    config.write_text("model = dict(type='NotOurs', backbone=dict(type='DeepViT', arch='vit-s', img_size=(512, 512)))")
    run(monkeypatch, config)
    out = capsys.readouterr().out
    assert "Encoder vit-s, whole image" in out
    assert "masked" not in out
    assert "Nothing but the encoder is counted: 'NotOurs' is no model" in out


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ("cls/mirl_tiny24_64px", ["backbone", "head"]),
        pytest.param(
            "shapes/mirl_det_shapes",
            ["backbone", "neck", "rpn_head", "roi_head.bbox_head", "roi_head.mask_head"],
            marks=pytest.mark.det,
        ),
        pytest.param(
            "shapes/mirl_seg_shapes", ["backbone", "neck", "decode_head", "auxiliary_head"], marks=pytest.mark.seg
        ),
    ],
)
def test_parts_of_other_tasks(monkeypatch, capsys, config, parts):
    run(monkeypatch, ROOT / f"configs/{config}.py")
    rows = capsys.readouterr().out.partition("prediction\n")[2].splitlines()[1:]
    assert [re.split(r"\s{2,}|, \d+ regions", row.strip())[0] for row in rows] == [*parts, "all"]
    total = [sum(column) for column in zip(*map(figures, rows[:-1]), strict=True)]
    assert figures(rows[-1]) == pytest.approx(total, abs=0.03)


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        ("dict(type='R', backbone=dict(type='ResNet'))", (), "task.py: the config's model is a R with a ResNet"),
        ("dict(type='DeepViT')", ("--shape", 225, 224), "image height 225 is not divisible by the patch height 16"),
    ],
)
def test_errors_are_said_plainly(monkeypatch, tmp_path, model, shape, message):
    config = tmp_path / "task.py"
    config.write_text(f"model = {model}")
    with pytest.raises(SystemExit, match=message):
        run(monkeypatch, config, *shape)
