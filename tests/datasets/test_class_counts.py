"""How often classes occur."""

import numpy as np
import pytest
from PIL import Image

from mirl_mm.datasets.class_counts import count_classes, find_masks
from mirl_mm.datasets.seg_maps import SegMapRules
from tests.training import run_here

NAMES = ("sky", "road", "tree")


@pytest.fixture
def folder(tmp_path):
    """Masks with values 1 to 3, and 0 for no label: half sky and road; three quarters sky and road; nothing."""
    (tmp_path / "masks/sub").mkdir(parents=True)
    first = np.full((4, 8), 1, dtype=np.uint8)
    first[:, 4:] = 2
    second = np.full((4, 8), 1, dtype=np.uint8)
    second[3] = 2
    second[0] = 0
    for name, values in (("a", first), ("sub/b", second), ("c", np.zeros((2, 2), np.uint8))):
        Image.fromarray(values).save(tmp_path / f"masks/{name}.png")
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_counts_and_weights(folder, workers):
    counts = count_classes(find_masks([folder / "masks"]), NAMES, SegMapRules(3, reduce_zero_label=True), workers)
    assert counts.pixels.tolist() == [32, 24, 0] and counts.masks.tolist() == [2, 2, 0]
    assert (counts.unlabelled, counts.number, counts.empty, counts.total) == (12, 3, 1, 68)
    assert counts.shares() == pytest.approx([32 / 56, 24 / 56, 0])
    assert counts.pixels_there.tolist() == [56, 56, 0]
    assert counts.weights() == pytest.approx([28 / 32, 28 / 24, 0])  # the median of both is half


def test_a_value_outside_of_the_classes_is_named(folder):
    rules = SegMapRules(2)
    for workers in (0, 2):
        with pytest.raises(ValueError, match=r"mask '.*a\.png' has the value 2 \(16 pixels\), outside of the classes"):
            count_classes(find_masks([folder / "masks"]), NAMES[:2], rules, workers)
    with pytest.raises(ValueError, match="workers must be 0"):
        count_classes(find_masks([folder / "masks"]), NAMES, rules, -1)


def test_masks_are_found(folder, tmp_path):
    assert [path.rsplit("/", 1)[1] for path in find_masks([folder / "masks"])] == ["a.png", "c.png", "b.png"]
    with pytest.raises(FileNotFoundError, match="no folder"):
        find_masks([folder / "nowhere"])
    with pytest.raises(ValueError, match=r"no file that ends in '\.bmp'"):
        find_masks([folder], ".bmp")


def test_the_tool(folder, monkeypatch, capsys):
    tool = "tools/analysis_tools/class_frequencies.py"
    options = ("--classes", folder / "classes.txt", "--weights", "--out", folder / "out.png")
    run_here(monkeypatch, tool, folder / "masks", *options, "--reduce-zero-label", "--workers", "0")
    shown = " ".join(capsys.readouterr().out.split())
    assert "57.14%" in shown and "never there: tree" in shown
    assert "class_weight=[0.875, 1.167, 0.0]" in shown
    assert "unlabelled: 17.65% of all pixels; 1 mask without any label" in shown
    assert Image.open(folder / "out.png").width > 500
    run_here(monkeypatch, tool, folder / "masks")
    assert "value 2" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"^error: no folder"):
        run_here(monkeypatch, tool, folder / "nowhere")
