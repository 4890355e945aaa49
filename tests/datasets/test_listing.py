"""Listings are right the first time, from the cache, and after every kind of change."""

import logging
import os
import pickle
import random
import shutil

import numpy as np
import pytest
import torch.distributed as dist
import torch.multiprocessing as mp

from mirl_mm.datasets import listing
from mirl_mm.datasets.file_list import FileList
from mirl_mm.datasets.listing import list_images
from mirl_mm.datasets.listing_cache import cache_file

ENDINGS = (".jpg", ".png")


def make(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def age(root):
    """Makes every folder look as if it hadn't changed for an hour, so that the cache may trust it."""
    for folder in [root, *root.rglob("*")]:
        if folder.is_dir():
            stat = folder.stat()
            os.utime(folder, ns=(stat.st_atime_ns, stat.st_mtime_ns - 3600 * 10**9))


def by_walking(root) -> list[str]:
    found = [
        (os.path.relpath(folder, root), name)
        for folder, _, names in os.walk(root, followlinks=True)
        for name in names
        if name.lower().endswith(ENDINGS)
    ]
    return [os.path.normpath(os.path.join(*pair)) for pair in sorted((("" if f == "." else f), n) for f, n in found)]


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The folders that were really read."""
    seen: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(listing.os, "scandir", lambda path: seen.append(os.path.basename(path)) or scandir(path))
    return seen


def test_order_endings_and_dot_files(tmp_path):
    make(tmp_path, "b/2.JPG", "b/10.jpg", "a/x.png", "a/deep/y.jpg", "top.jpg", "a/notes.txt", "a/._x.png", ".h/z.jpg")
    assert list(list_images(str(tmp_path), ENDINGS)) == ["top.jpg", "a/x.png", "a/deep/y.jpg", "b/10.jpg", "b/2.JPG"]


def test_unchanged_folders_are_not_read_again(tmp_path, reads):
    make(tmp_path, "a/1.jpg", "b/2.jpg", "c/empty.txt")
    age(tmp_path)
    reads.clear()
    first = list(list_images(str(tmp_path), ENDINGS))
    assert len(reads) == 4
    reads.clear()
    assert list(list_images(str(tmp_path), ENDINGS)) == first == ["a/1.jpg", "b/2.jpg"]
    assert reads == []


def test_only_the_changed_folder_is_read(tmp_path, reads):
    make(tmp_path, "a/1.jpg", "b/2.jpg", "b/3.jpg")
    age(tmp_path)
    list_images(str(tmp_path), ENDINGS)
    reads.clear()
    (tmp_path / "b" / "2.jpg").unlink()
    assert list(list_images(str(tmp_path), ENDINGS)) == ["a/1.jpg", "b/3.jpg"]
    assert reads == ["b"]


def test_a_fresh_folder_is_not_trusted(tmp_path, reads):
    make(tmp_path, "a/1.jpg")
    list_images(str(tmp_path), ENDINGS)
    stat = (tmp_path / "a").stat()
    make(tmp_path, "a/2.jpg")
    os.utime(tmp_path / "a", ns=(stat.st_atime_ns, stat.st_mtime_ns))  # within one tick of a coarse clock
    assert list(list_images(str(tmp_path), ENDINGS)) == ["a/1.jpg", "a/2.jpg"]


def test_random_changes(tmp_path):
    """After any change the cached listing is what a walk finds."""
    rng = random.Random(0)
    root = tmp_path / "data"
    make(root, *(f"d{n % 4}/e{n % 3}/{n}.jpg" for n in range(30)))
    for step in range(25):
        folders = [folder for folder in root.rglob("*") if folder.is_dir()]
        files = [file for file in root.rglob("*") if file.is_file()]
        change = rng.choice(["add", "remove", "rename", "new folder", "remove folder", "move folder"])
        if change == "add":
            make(rng.choice(folders), f"new{step}.png")
        elif change == "remove":
            rng.choice(files).unlink()
        elif change == "rename":
            file = rng.choice(files)
            file.rename(file.with_name(f"renamed{step}.jpg"))
        elif change == "new folder":
            make(rng.choice(folders), f"f{step}/g/{step}.jpg")
        elif change == "remove folder" and len(folders) > 6:
            shutil.rmtree(rng.choice(folders))
        elif change == "move folder":
            rng.choice(folders).rename(root / f"moved{step}")
        if step % 3:
            age(root)
        assert list(list_images(str(root), ENDINGS)) == by_walking(root), change


def test_linked_folders_and_loops(tmp_path, caplog):
    make(tmp_path, "elsewhere/1.jpg", "data/a/2.jpg")
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "a" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "a" / "dangling").symlink_to(tmp_path / "nothing")
    for _ in range(2):
        assert list(list_images(str(tmp_path / "data"), ENDINGS)) == ["a/2.jpg", "link/1.jpg"]
    make(tmp_path, "elsewhere/3.jpg")
    assert list(list_images(str(tmp_path / "data"), ENDINGS)) == ["a/2.jpg", "link/1.jpg", "link/3.jpg"]


@pytest.mark.parametrize("damage", [b"", b"nonsense", "half", "bit"])
def test_damaged_cache(tmp_path, damage):
    make(tmp_path, "a/1.jpg", "a/2.jpg")
    age(tmp_path)
    list_images(str(tmp_path), ENDINGS)
    file = cache_file(str(tmp_path), ENDINGS)
    content = bytearray(file.read_bytes())
    if damage == "half":
        content = content[: len(content) // 2]
    elif damage == "bit":
        content[content.index(b"1.jpg")] ^= 1
    else:
        content = bytearray(damage)
    file.write_bytes(content)
    assert list(list_images(str(tmp_path), ENDINGS)) == ["a/1.jpg", "a/2.jpg"]
    assert list(list_images(str(tmp_path), ENDINGS)) == ["a/1.jpg", "a/2.jpg"]


def test_cache_folder_that_cannot_be_written(tmp_path, caplog):
    make(tmp_path, "data/1.jpg", "file")
    with caplog.at_level(logging.WARNING, "mmengine"):
        files = list_images(str(tmp_path / "data"), ENDINGS, cache_dir=str(tmp_path / "file"))
    assert list(files) == ["1.jpg"]


def test_other_extensions_have_another_cache(tmp_path):
    make(tmp_path, "1.jpg", "2.png")
    age(tmp_path)
    assert list(list_images(str(tmp_path), (".jpg",))) == ["1.jpg"]
    assert list(list_images(str(tmp_path), (".png",))) == ["2.png"]
    assert not [file for file in cache_file(str(tmp_path), ()).parent.iterdir() if file.suffix == ".tmp"]


def test_progress_is_shown(tmp_path, monkeypatch):
    make(tmp_path, "a/1.jpg", "b/2.jpg")
    lines: list[str] = []
    monkeypatch.setattr(listing, "print_log", lambda text, *_: lines.append(text))
    monkeypatch.setattr(listing, "_REPORT_SECONDS", 0.0)
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


def _list_in_a_group(rank, meeting, root, cache, results):
    os.environ["LOCAL_RANK"] = str(rank)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    results.put((rank, list(list_images(root, ENDINGS, cache))))
    dist.destroy_process_group()


def test_two_processes(tmp_path):
    """The second one waits for the first, and where that could write no cache looks for itself."""
    make(tmp_path, "data/a/1.jpg", "data/b/2.jpg", "file")
    cache = tmp_path / "file"
    results = mp.get_context("fork").SimpleQueue()
    meeting = str(tmp_path / "meeting")
    mp.start_processes(
        _list_in_a_group, (meeting, str(tmp_path / "data"), str(cache), results), nprocs=2, start_method="fork"
    )
    assert dict(results.get() for _ in range(2)) == {0: ["a/1.jpg", "b/2.jpg"], 1: ["a/1.jpg", "b/2.jpg"]}
