"""Colour-coded label images into segmentation maps."""

import numpy as np
import pytest
from PIL import Image

from mirl_mm.converters import AnnotationError, colours_to_masks, print_masks
from mirl_mm.converters.colours import read_colours
from mirl_mm.datasets.class_counts import find_masks
from mirl_mm.datasets.seg_maps import SegMapRules, read_seg_map
from tests.training import run_here

ROAD, SKY, VOID = (128, 64, 128), (0, 0, 255), (0, 0, 0)
FILE = "128 64 128\troad\n0 0 255  blue sky\n0 0 0 Void\n128 64 129 road\n"


@pytest.fixture
def data(tmp_path):
    """``labels/{a,sub/b}.png``: (4, 6) of road, sky in the last column, one pixel without label; ``colours.txt``."""
    pixels = np.full((4, 6, 3), ROAD, dtype=np.uint8)
    pixels[0, 0] = (128, 64, 129)
    pixels[:, 5] = SKY
    pixels[3, 0] = VOID
    (tmp_path / "labels/sub").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "labels/a.png")
    Image.fromarray(pixels[:, ::-1]).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "labels/sub/b.png")
    (tmp_path / "colours.txt").write_text(FILE)
    return tmp_path


def expected(zero_based):
    values = np.full((4, 6), 0 if zero_based else 1)
    values[:, 5] += 1
    values[3, 0] = 255 if zero_based else 0
    return values


@pytest.mark.parametrize("zero_based", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_colours_become_values(data, zero_based, workers, capsys):
    out = data / "masks"
    made = colours_to_masks(data / "labels", out, data / "colours.txt", ["Void"], "error", zero_based, workers)
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png")) == ["a.png", "sub/b.png"]
    assert np.array_equal(read_seg_map(str(out / "a.png")), expected(zero_based))
    assert np.array_equal(read_seg_map(str(out / "sub/b.png")), expected(zero_based)[:, ::-1])
    assert Image.open(out / "a.png").mode == "L"
    assert (out / "classes.txt").read_text().split("\n") == ["road", "blue sky", ""]
    assert made.counts.pixels.tolist() == [38, 8] and made.counts.unlabelled == 2 and made.counts.number == 2
    assert made.palette == [ROAD, SKY]
    rules = SegMapRules(2, reduce_zero_label=not zero_based)
    assert set(np.unique(rules.labels(read_seg_map(find_masks([out])[0]), "a"))) == {0, 1, 255}
    print_masks(made)
    shown = capsys.readouterr().out
    assert f"reduce_zero_label = {not zero_based}" in shown and "palette=[(128, 64, 128), (0, 0, 255)]" in shown


def test_unknown_colours_are_named_or_left_out(data):
    (data / "colours.txt").write_text("128 64 128 road\n0,0,255,sky\n")
    with pytest.raises(
        AnnotationError, match=r"a\.png' has colours .*colours\.txt': .*\(0, 0, 0\) \(1 pixel\).*--unknown"
    ):
        colours_to_masks(data / "labels", data / "masks", data / "colours.txt")
    made = colours_to_masks(data / "labels", data / "masks", data / "colours.txt", unknown="ignore")
    assert made.counts.unlabelled == 4 and made.notes == ("unknown colours: 4 pixels in 2 images became no label",)
    Image.new("RGB", (8, 8), (9, 9, 9)).save(data / "labels/c.jpg")
    (data / "labels/a.png").unlink()
    with pytest.raises(AnnotationError, match=r"c\.jpg' has .*\(64 pixels\).*JPEG files change colours"):
        colours_to_masks(data / "labels", data / "masks", data / "colours.txt")


def test_three_ways_to_write_a_colour(tmp_path):
    path = tmp_path / "class_dict.csv"
    path.write_text("name,r,g,b\nroad,128,64,128\n#0000ff sky 2\n\n1;2;3;tree\n")
    table = read_colours(path)
    assert table.classes == ("road", "sky 2", "tree") and table.palette == [ROAD, SKY, (1, 2, 3)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("road\n", "has 0 classes"),
        ("1 2 3 road\nsky\n", "line 2: expected a colour and a name"),
        ("1 2 300 road\n", "line 1: expected a colour and a name"),
        ("1 2 3\n", "line 1: expected a colour and a name"),
        ("1 2 3 road\n1 2 3 sky\n", r"line 2: \(1, 2, 3\) is 'road' already, not 'sky'"),
    ],
)
def test_bad_files_of_colours(tmp_path, text, message):
    (tmp_path / "colours.txt").write_text(text)
    with pytest.raises(AnnotationError, match=message):
        read_colours(tmp_path / "colours.txt")


def test_what_else_is_refused(data):
    good = (data / "labels", data / "masks", data / "colours.txt")
    with pytest.raises(AnnotationError, match="has no 'void', which is to mean no label; it has road, blue sky, Void"):
        colours_to_masks(*good, unlabelled=["void"])
    with pytest.raises(ValueError, match="is the folder of the input"):
        colours_to_masks(data / "labels", data / "labels", data / "colours.txt")
    with pytest.raises(FileNotFoundError, match="no folder"):
        colours_to_masks(data / "nowhere", data / "masks", data / "colours.txt")
    Image.new("RGB", (4, 4)).save(data / "labels/a.bmp")
    with pytest.raises(AnnotationError, match=r"a\.bmp' and '.*a\.png' would both become"):
        colours_to_masks(*good)
    (data / "labels/a.bmp").rename(data / "labels/z.bmp")
    (data / "labels/z.bmp").write_bytes(b"no image")
    with pytest.raises(AnnotationError, match=r"cannot read image '.*z\.bmp'"):
        colours_to_masks(*good)


def test_the_tool(data, monkeypatch, capsys):
    arguments = (data / "labels", data / "masks", "--classes", data / "colours.txt", "--unlabelled", "Void")
    run_here(monkeypatch, "tools/dataset_converters/colours_to_masks.py", *arguments)
    assert np.array_equal(read_seg_map(str(data / "masks/a.png")), expected(False))
    assert "reduce_zero_label = True" in capsys.readouterr().out
    same = (data / "labels", data / "labels", *arguments[2:])
    with pytest.raises(SystemExit, match=r"^error: .*is the folder of the input"):
        run_here(monkeypatch, "tools/dataset_converters/colours_to_masks.py", *same)
