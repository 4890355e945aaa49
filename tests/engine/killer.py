"""Runs tools/train.py and kills itself with SIGKILL at a chosen system call.

Usage: killer.py WHAT NUMBER TRAIN_ARGUMENTS...: dies at the NUMBER-th call of WHAT: ``fsync`` (a file's bytes are
written, but it is not yet under its name), ``replace`` (just before it gets its name), ``remove`` (before an outdated
checkpoint goes), ``write`` (half of a file's bytes are written).
"""

import io
import os
import runpy
import signal
import sys
from pathlib import Path

import mirl_mm.file_backend as file_backend


def dying(function, number: int):
    calls = 0

    def wrapped(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return wrapped


class HalfWriter(io.FileIO):
    """Writes half of what it is given, then dies."""

    def write(self, data):
        super().write(bytes(data)[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    what, number, *sys.argv[1:] = sys.argv[1:]
    if what == "write":
        calls = 0

        def opened(path, mode="r"):
            nonlocal calls
            calls += 1
            return HalfWriter(path, mode) if calls == int(number) else open(path, mode)

        file_backend.open = opened
    elif what == "remove":
        file_backend.AtomicLocalBackend.remove = dying(file_backend.AtomicLocalBackend.remove, int(number))
    else:
        setattr(os, what, dying(getattr(os, what), int(number)))
    runpy.run_path(str(Path(__file__).parents[2] / "tools/train.py"), run_name="__main__")


if __name__ == "__main__":
    main()
