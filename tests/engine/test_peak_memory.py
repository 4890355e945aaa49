"""The most memory that a piece of work takes."""

import sys

import pytest

from mirl_mm.engine.peak_memory import peak_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak of a process can't be set back")
def test_the_work_alone_counts():
    """Not what the process had before, and what it has no more when the work is done."""
    b"\1" * (1 << 29)
    idle = peak_bytes(lambda: None)
    busy = peak_bytes(lambda: len(b"\1" * (1 << 28)))
    assert idle + (1 << 27) < busy < idle + (1 << 28) + (1 << 27)
