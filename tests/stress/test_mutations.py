"""A small part of `make stress`: damaged and forged files are read, or refused in a line that names the file."""

import os
import sys
import time

import pytest

from tests.stress.campaigns import mutations
from tests.stress.limited import outcomes

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="limits are Linux's")


def test_outcomes(tmp_path):
    def work(number):
        if number == 1:
            raise ValueError("file 1")
        if number == 2:
            raise KeyError(number)
        if number == 3:
            raise ValueError("what?")
        if number == 4:
            os.kill(os.getpid(), 11)
        if number == 5:
            os.system(f"touch {tmp_path / 'made'}")
        if number == 6:
            bytearray(8 << 30)

    found = outcomes(work, range(8), (ValueError,))
    assert [found[number][0] for number in range(8)] == [
        *("read", "refused", "raw exception", "raw exception", "crash", "executed", "raw exception", "read"),
    ]
    assert "KeyError: 2" in found[2][1] and found[4][1] == "signal 11" and "MemoryError" in found[6][1]
    assert not (tmp_path / "made").exists()


def test_what_takes_too_long(monkeypatch):
    monkeypatch.setattr("tests.stress.limited.SECONDS", 0.2)
    found = outcomes(lambda number: time.sleep(5), range(1), (ValueError,))
    assert found == {0: ("over 10 s", "")}


def test_mutated_files(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    rows = mutations.run(1, 0, tmp_path / "out", most=25)
    assert len(rows) == 6
    for row in rows:
        assert row.ok, row
        assert row.tried == 25 and row.outcomes["refused"] > 5
