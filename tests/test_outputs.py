"""What is written replaces nothing but its own."""

import numpy as np
import pytest
from PIL import Image

from mirl_mm.outputs import OutputError, Outputs, check_json, check_not_input, check_text, put_png, source_of
from mirl_mm.visualization.png import encode_png

PNG = encode_png(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))


def test_the_same_run_may_replace_its_files_and_no_other(tmp_path):
    path = tmp_path / "out/a.png"
    for _ in range(2):
        Outputs("maker", {path: "source"}).put(path, PNG)
    assert np.array_equal(np.asarray(Image.open(path)), np.arange(12).reshape(2, 2, 3))
    with pytest.raises(OutputError, match=r"a.png' is there and was made of something else: it is not replaced"):
        Outputs("maker", {path: "another"})
    with pytest.raises(OutputError, match=r"a.png' is there and is not other's"):
        Outputs("other", {path: "source"})


@pytest.mark.parametrize("content", [PNG, b"", b"a text", PNG[:40]])
def test_what_others_made_stays(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(OutputError, match="is there and is not maker's"):
        Outputs("maker", {tmp_path / "a.png": "source"})
    assert (tmp_path / "a.png").read_bytes() == content


def test_a_link_that_leads_nowhere_is_somebodys(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError):
        Outputs("maker", {tmp_path / "a.png": ""})


@pytest.mark.parametrize("folder", ["photos", "photos/.", "photos/sub/..", "link"])
def test_the_folder_of_inputs(tmp_path, folder):
    (tmp_path / "photos/sub").mkdir(parents=True)
    (tmp_path / "photos/a.jpg").touch()
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    with pytest.raises(OutputError, match=r"is the folder of the input '.*a.jpg': give another one"):
        Outputs("maker", {tmp_path / folder / "b.png": ""}, [tmp_path / "photos/a.jpg"])


@pytest.mark.parametrize("name", ["../a.png", "sub/../../a.png", "/tmp/a.png"])
def test_names_that_lead_outside(tmp_path, name):
    out = tmp_path / "out"
    with pytest.raises(OutputError, match="lies outside of the output folder"):
        Outputs("maker", {out / name: ""}, (), out)
    Outputs("maker", {out / "sub/../a.png": ""}, (), out)


def test_sources():
    one, two = np.zeros((2, 3, 3), np.uint8), np.ones((2, 3, 3), np.uint8)
    assert source_of(one) == source_of(one.copy()) != source_of(two)
    assert source_of("a.jpg") == source_of("./a.jpg") != source_of("b/a.jpg")


def test_other_files(tmp_path):
    check_json(tmp_path / "a.json", "mine, train")
    (tmp_path / "a.json").write_text('{"info": {"description": "mine, train"}}')
    check_json(tmp_path / "a.json", "mine, train")
    for content in ('{"info": {"description": "theirs"}}', "[]", "{", ""):
        (tmp_path / "a.json").write_text(content)
        with pytest.raises(OutputError, match=r"a.json' is there and is not this conversion's"):
            check_json(tmp_path / "a.json", "mine, train")
    check_text(tmp_path / "classes.txt", "cat\n")
    (tmp_path / "classes.txt").write_text("cat\n")
    check_text(tmp_path / "classes.txt", "cat\n")
    with pytest.raises(OutputError, match=r"classes.txt' is there and says something else"):
        check_text(tmp_path / "classes.txt", "dog\n")
    check_not_input(None, ["a"])
    with pytest.raises(OutputError, match="is read, and would be replaced"):
        check_not_input(tmp_path / "a.json", [None, tmp_path / "sub/../a.json"])


def test_metrics_and_others_that_write_one_by_one(tmp_path):
    put_png(tmp_path / "a.png", PNG, "maker", "source")
    assert Image.open(tmp_path / "a.png").size == (2, 2)
