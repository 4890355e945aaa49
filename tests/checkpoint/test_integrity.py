"""Damage is noticed by the checksums that a checkpoint holds."""

import random

import pytest
import torch

from mirl_mm.checkpoint import read_any
from mirl_mm.checkpoint.integrity import check_checkpoint
from mirl_mm.checkpoint.training_state import read_whole
from tests.checkpoint.test_training_state import save


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "a.pth"
    save(path, more=torch.arange(40_000.0))
    return path


def test_every_flipped_bit_is_refused_or_changes_nothing(whole, tmp_path):
    """Of padding and of the table at the end, some bits mean nothing."""
    content, expected = whole.read_bytes(), read_whole(whole)
    chance, refused = random.Random(0), 0
    for number in range(60):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path = tmp_path / f"{number}.pth"
        path.write_bytes(damaged)
        try:
            found = read_whole(path)
        except ValueError:
            refused += 1
        else:
            assert torch.equal(found["more"], expected["more"]) and found["meta"] == expected["meta"]
    assert refused > 50


def test_the_message(whole, tmp_path):
    content = bytearray(whole.read_bytes())
    content[len(content) // 2] ^= 4
    (tmp_path / "a.pth").write_bytes(content)
    message = (
        rf"^'.*a\.pth' \({len(content)} bytes\) is damaged: its checksums do not agree \(Bad CRC-32 for file "
        r"'a/data/\d'\)\. Copy it again, or take the one before it$"
    )
    for read in (check_checkpoint, read_whole, read_any):
        with pytest.raises(ValueError, match=message):
            read(tmp_path / "a.pth")


def test_a_file_is_read_again_only_if_it_has_changed(whole, tmp_path, monkeypatch):
    path = tmp_path / "a.pth"
    path.write_bytes(whole.read_bytes())
    check_checkpoint(path)
    with monkeypatch.context() as context:
        context.setattr("mirl_mm.checkpoint.integrity.zipfile.ZipFile", None)
        check_checkpoint(path)
    path.write_bytes(whole.read_bytes()[:-10])
    with pytest.raises(ValueError, match="truncated"):
        check_checkpoint(path)


def test_files_without_checksums(tmp_path):
    options = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(3)}, tmp_path / "a.pth")
    finally:
        torch.serialization.set_crc32_options(options)
    assert check_checkpoint(tmp_path / "a.pth") == tmp_path / "a.pth"
