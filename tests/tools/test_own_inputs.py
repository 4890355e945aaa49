"""Tools that are given their own input for their output: they refuse, and change nothing."""

import json

import pytest
from PIL import Image

from tests.training import run_here


@pytest.fixture
def folder(tmp_path):
    """A photo, masks of the same name on two sides, annotations, classes, weights."""
    for name in ("photos", "truth", "predicted"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 6), 1).save(tmp_path / name / "a.png")
    content = {"images": [{"id": 1, "file_name": "a.png", "height": 6, "width": 8}], "annotations": []}
    (tmp_path / "photos/f.json").write_text(json.dumps({**content, "categories": [{"id": 1, "name": "cat"}]}))
    (tmp_path / "results.json").write_text("[]")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "weights.pth").write_bytes(b"weights")
    return tmp_path


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("visualization/infer", "weights.pth photos --json photos/a.png"),
        ("visualization/infer", "weights.pth photos --json weights.pth"),
        ("visualization/infer", "weights.pth photos --features photos/a.png"),
        ("visualization/infer", "weights.pth photos --coco-results photos/f.json --annotations photos/f.json"),
        ("visualization/infer", "weights.pth photos --out-dir photos"),
        ("visualization/infer", "weights.pth photos --masks photos"),
        ("model_converters/export_weights", "weights.pth weights.pth"),
        ("model_converters/export_onnx", "weights.pth weights.pth"),
        ("model_converters/import_weights", "weights.pth weights.pth"),
        ("analysis_tools/coco_errors", "photos/f.json results.json --out-dir photos"),
        ("analysis_tools/seg_errors", "truth predicted --classes classes.txt --out-dir truth"),
        ("analysis_tools/seg_errors", "truth predicted --classes classes.txt --out-dir predicted"),
        ("analysis_tools/class_frequencies", "truth --out truth/a.png"),
        ("analysis_tools/class_frequencies", "truth --out truth/frequencies.png"),
        ("analysis_tools/depth_probe", "weights.pth --data-root photos --out-dir photos"),
    ],
)
def test_nothing_changes(folder, monkeypatch, tool, arguments):
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    paths = [folder / word if (folder / word.partition("/")[0]).exists() else word for word in arguments.split()]
    with pytest.raises(SystemExit, match=r"^error: .*(is the folder of the input|is read, and would be replaced)"):
        run_here(monkeypatch, f"tools/{tool}.py", *paths)
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
