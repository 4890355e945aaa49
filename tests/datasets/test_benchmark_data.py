"""The data benchmark runs and its figures are of the right size; its ratio is a matter of the machine."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

from tests.datasets.conftest import smooth_image

TOOL = Path(__file__).parents[2] / "tools" / "analysis_tools" / "benchmark_data.py"


@pytest.fixture
def tool(monkeypatch):
    spec = importlib.util.spec_from_file_location("benchmark_data", TOOL)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "benchmark_data", module)  # a worker that is no fork looks for it there
    spec.loader.exec_module(module)
    threads = torch.get_num_threads()
    yield module
    torch.set_num_threads(threads)


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "data" / "photo").mkdir(parents=True)
    for number in range(4):
        smooth_image(200, 240, seed=number).save(tmp_path / "data" / "photo" / f"{number}.jpg")
    return tmp_path / "data"


def test_figures(tool, photos, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["x", "--data-root", str(photos), "--num-images", "4", "--repeats", "3"])
    tool.main()
    found = capsys.readouterr().out
    for name in ("uint8", "float", "turn by turn"):
        assert float(re.search(rf"{name}.*?\s(\d[\d.]*) ", found)[1]) > 0
    assert float(re.search(r"mean ([\d.]+)", found)[1]) < 0.3
    steps = (
        "LoadImage",
        "RandomResizedCrop",
        "RandomFlip",
        "MaskNoise",
        "PackInputs",
        "collate",
        "seeding and the rest",
    )
    shares = [int(re.search(rf"{step} +\d+ \((\d+)%\)", found)[1]) for step in steps]
    assert shares[0] > shares[2]
    assert abs(sum(shares) - 100) <= len(shares)


def test_images_outside_class_folders(tool, photos, monkeypatch):
    smooth_image().save(photos / "stray.jpg")
    monkeypatch.setattr("sys.argv", ["x", "--data-root", str(photos)])
    with pytest.raises(SystemExit, match="holds 5 images of which 4 are in class folders"):
        tool.main()


def test_pipeline_without_crop(tool):
    with pytest.raises(SystemExit, match=r"no RandomResizedCrop.*its steps are LoadImage, RandomFlip"):
        tool.pil_transform([{"type": "LoadImage"}, {"type": "mirl_mm.RandomFlip"}])
