"""The newest whole checkpoint of a folder, whatever has become of the others."""

import logging
import os

import pytest
import torch

from mirl_mm.checkpoint.latest import find_latest, latest_checkpoint
from mirl_mm.engine.resume_checkpoint import find_resumed


def write(folder, *numbers, pointer=None):
    for number in numbers:
        torch.save({"number": number}, folder / f"epoch_{number}.pth")
        os.utime(folder / f"epoch_{number}.pth", (number, number))
    if pointer is not None:
        (folder / "last_checkpoint").write_bytes(pointer)


def damage(path, how):
    content = path.read_bytes()
    path.write_bytes({"cut": content[:-9], "empty": b"", "zeroed": bytes(len(content)), "text": b"I am a text"}[how])


@pytest.mark.parametrize("how", ["cut", "empty", "zeroed", "text"])
def test_the_one_before_a_damaged_one(tmp_path, how, caplog):
    write(tmp_path, 3, 4, 5, 9, pointer=b"/moved/epoch_5.pth")  # 9 is of a training before
    damage(tmp_path / "epoch_5.pth", how)
    damage(tmp_path / "epoch_4.pth", "empty")
    found = find_latest(tmp_path)
    assert found.checkpoint == tmp_path / "epoch_3.pth"
    assert [path.name for path in found.problems] == ["epoch_5.pth", "epoch_4.pth"]
    assert latest_checkpoint(tmp_path) == str(tmp_path / "epoch_3.pth")  # looking changes nothing
    with caplog.at_level(logging.WARNING):
        assert find_resumed(tmp_path) == str(tmp_path / "epoch_3.pth")
    names = {path.name for path in tmp_path.glob("*.pth*")}
    assert names == {"epoch_3.pth", "epoch_4.pth.damaged", "epoch_5.pth.damaged", "epoch_9.pth"}
    assert find_resumed(tmp_path) == str(tmp_path / "epoch_3.pth")  # again, with the pointer to what is gone


def test_it_is_said(tmp_path, capsys):
    write(tmp_path, 1, 2, pointer=b"epoch_2.pth")
    damage(tmp_path / "epoch_2.pth", "empty")
    find_resumed(tmp_path)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "WARNING" in line]
    assert "epoch_2.pth' (0 bytes) is no whole PyTorch checkpoint" in line
    assert line.endswith(f"It is kept as epoch_2.pth.damaged; the run goes on from {tmp_path}/epoch_1.pth")


@pytest.mark.parametrize(
    ("pointer", "problem"),
    [
        (b"", "it is empty"),
        (b"\x00" * 50, "it names no file"),
        (b"\x80\xff\x01", "it names no file"),
        (b"x" * 5000, "which is gone"),
        (b"/moved/epoch_8.pth", "which is gone"),
    ],
)
def test_damaged_pointer(tmp_path, pointer, problem):
    write(tmp_path, 6, 7, pointer=pointer)
    found = find_latest(tmp_path)
    assert found.checkpoint == tmp_path / "epoch_7.pth"
    assert problem in found.problems[tmp_path / "last_checkpoint"]


def test_without_a_pointer_that_names_one_the_newest_by_time(tmp_path):
    write(tmp_path, 3, 4, 100, pointer=b"")
    os.utime(tmp_path / "epoch_100.pth", (1, 1))  # of a training before
    assert find_latest(tmp_path).checkpoint == tmp_path / "epoch_4.pth"


def test_nothing_whole_is_left(tmp_path):
    write(tmp_path, 1, 2, pointer=b"epoch_2.pth")
    damage(tmp_path / "epoch_1.pth", "zeroed")
    damage(tmp_path / "epoch_2.pth", "cut")
    message = r"no whole checkpoint is left in .* \(epoch_2\.pth: .*; epoch_1\.pth: .*\): give another by --resume"
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            find_resumed(tmp_path)
    assert (tmp_path / "epoch_2.pth").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_not_damaged(tmp_path):
    write(tmp_path, 1, 2, pointer=b"epoch_2.pth")
    (tmp_path / "epoch_2.pth").chmod(0)
    with pytest.raises(PermissionError):
        find_resumed(tmp_path)
