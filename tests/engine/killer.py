"""Runs tools/train.py in processes that are forked of one, which imports torch once, and kills them where it is asked.

Reads requests, a line of JSON each, and answers each with a line: the exit code and the end of the output. A request
has the tool's ``arguments``, and may have a ``trap``, a name and a number n, to die by SIGKILL at its n-th call:
``fsync`` (a file's bytes are written, but it is not yet under its name), ``replace`` (just before it gets its name),
``remove`` (before an outdated checkpoint goes), ``write`` (half of a file's bytes are written). Or ``after``, a text
of the log and seconds, to be killed so long after it.
"""

import io
import json
import os
import runpy
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import mirl_mm.engine.training  # noqa: F401  what each run would import
from mirl_mm import file_backend


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


def lay_trap(what: str, number: int) -> None:
    if what == "write":
        calls = 0

        def opened(path, mode="r"):
            nonlocal calls
            calls += 1
            return HalfWriter(path, mode) if calls == number else open(path, mode)

        file_backend.open = opened
    elif what == "remove":
        file_backend.AtomicLocalBackend.remove = dying(file_backend.AtomicLocalBackend.remove, number)
    else:
        setattr(os, what, dying(getattr(os, what), number))


def run(request: dict, log: int) -> None:
    """In the forked process."""
    for stream in (1, 2):
        os.dup2(log, stream)
    code = 1
    try:
        if "trap" in request:
            lay_trap(*request["trap"])
        sys.argv = ["tools/train.py", *request["arguments"]]
        runpy.run_path(str(Path(__file__).parents[2] / "tools/train.py"), run_name="__main__")
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _lives(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def answer(request: dict) -> dict:
    """Have a run forked, wait for its end or bring it about."""
    with tempfile.NamedTemporaryFile() as log:
        pid = os.fork()
        if pid == 0:
            run(request, log.fileno())
        if "after" in request:
            text, seconds = request["after"]
            while text not in Path(log.name).read_text() and _lives(pid):
                time.sleep(0.02)
            time.sleep(seconds)
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        return {"code": os.waitstatus_to_exitcode(status), "output": Path(log.name).read_text()[-2000:]}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
