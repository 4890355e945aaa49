"""The most memory that a piece of work takes."""

import mmap
import sys

import pytest

from mirl_mm.engine.peak_memory import peak_bytes


def fill(size: int) -> None:
    """Take so many bytes of the system for a moment, and not of what the process's heap may have left from before."""
    with mmap.mmap(-1, size) as pages:
        pages[:: mmap.PAGESIZE] = b"\1" * (size // mmap.PAGESIZE)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak of a process can't be set back")
def test_the_work_alone_counts():
    """Not what the process had before, and what it has no more when the work is done."""
    fill(1 << 29)
    idle = peak_bytes(lambda: None)
    busy = peak_bytes(lambda: fill(1 << 28))
    assert idle + (1 << 27) < busy < idle + (1 << 28) + (1 << 27)
