"""Which images a folder holds, and names that take little memory."""

import os
import pickle

import numpy as np
import pytest

from mirl_mm.datasets import file_lists
from mirl_mm.datasets.file_lists import FileList, list_images

ENDINGS = (".jpg", ".png")


def make(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_order_endings_and_dot_files(tmp_path):
    make(tmp_path, "b/2.JPG", "b/10.jpg", "a/x.png", "a/deep/y.jpg", "top.jpg", "a/notes.txt", "a/._x.png", ".h/z.jpg")
    assert list(list_images(str(tmp_path), ENDINGS)) == ["top.jpg", "a/x.png", "a/deep/y.jpg", "b/10.jpg", "b/2.JPG"]


def test_linked_folders_and_loops(tmp_path):
    make(tmp_path, "elsewhere/1.jpg", "data/a/2.jpg")
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "a" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "a" / "dangling").symlink_to(tmp_path / "nothing")
    assert list(list_images(str(tmp_path / "data"), ENDINGS)) == ["a/2.jpg", "link/1.jpg"]


def test_a_folder_that_vanishes_meanwhile_is_left_out(tmp_path, monkeypatch):
    make(tmp_path, "a/1.jpg", "b/2.jpg")
    scandir = os.scandir

    def vanishing(path):
        if os.path.basename(path) == "a":
            raise FileNotFoundError(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    assert list(list_images(str(tmp_path), ENDINGS)) == ["b/2.jpg"]


def test_progress_is_shown(tmp_path, monkeypatch):
    make(tmp_path, "a/1.jpg", "b/2.jpg")
    lines: list[str] = []
    monkeypatch.setattr(file_lists, "print_log", lambda text, *_: lines.append(text))
    monkeypatch.setattr(file_lists, "_REPORT_SECONDS", 0.0)
    list_images(str(tmp_path), ENDINGS)
    assert any("1 image so far" in line and "per second" in line for line in lines)
    assert "2 images in 2 folders" in lines[-1]


def test_file_list_is_compact_and_exact():
    names = [[f"{folder}-{number}ü.jpg" for number in range(folder % 4)] for folder in range(50)]
    files = FileList(
        [f"f{n}" for n in range(50)], ["".join(f"{name}\0" for name in folder).encode() for folder in names]
    )
    expected = [f"f{n}/{name}" for n, folder in enumerate(names) for name in folder]
    assert list(files) == expected
    assert files[-1] == expected[-1]
    assert files.counts().tolist() == [len(folder) for folder in names]
    with pytest.raises(IndexError):
        files[len(files)]
    many = FileList.from_paths(f"train/n{n:08d}.JPEG" for n in range(100_000))
    assert len(pickle.dumps(many)) < 100_000 * 32
    np.testing.assert_array_equal([many[7], many[99_999]], ["train/n00000007.JPEG", "train/n00099999.JPEG"])
