"""Work in processes that may neither grow nor stall, and that notice when a file has something run."""

import faulthandler
import os
import resource
import select
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: What a file may cost: as `make stress` promises it.
SECONDS, BYTES = 10, 2 << 30
_EVENTS = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect")

Outcome = tuple[str, str]  # outcome, and the detail of a failure


class _TooLong(BaseException):
    """Passes all ``except Exception``."""


class _Executed(BaseException):
    """Likewise."""


def outcomes(work: Callable[[int], Any], numbers: range, refusals: tuple[type[Exception], ...]) -> dict[int, Outcome]:
    """Do something with each number, in one process after the other as they end, all of them limited.

    Args:
        work: Returns if all went well; a refusal is one of ``refusals`` whose text has the number in it, as a file's
            name has.
        numbers: What is given to it.
        refusals: How it may say no.

    Returns:
        For each number ``"read"``, ``"refused"``, ``"raw exception"``, ``"executed"``, ``"over 10 s"``, ``"over 2 GB"``
        or ``"crash"``, with a detail of the latter five.
    """
    found: dict[int, Outcome] = {}
    left = numbers
    while left:
        done, reason = _in_process(work, left, refusals)
        found |= done
        left = range(left.start + len(done), left.stop)
        if reason and left:
            found[left.start] = reason
            left = range(left.start + 1, left.stop)
    return found


def _in_process(work: Callable, numbers: range, refusals: tuple) -> tuple[dict[int, Outcome], Outcome | None]:
    """What came of the numbers until the process ended, and why it did if that was too early."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        try:
            _work(work, numbers, refusals, theirs)
        finally:
            os._exit(1)
    os.close(theirs)
    done: dict[int, Outcome] = {}
    rest, stalled = b"", False
    while True:
        if not select.select([ours], [], [], 3 * SECONDS)[0]:
            stalled = True
            os.kill(pid, signal.SIGKILL)
            break
        chunk = os.read(ours, 1 << 16)
        if not chunk:
            break
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            outcome, _, detail = line.decode(errors="replace").partition("\t")
            done[numbers.start + len(done)] = (outcome, detail)
    os.close(ours)
    status = os.waitpid(pid, 0)[1]
    if stalled:
        return done, ("over 10 s", "it did not come back")
    if os.WIFSIGNALED(status):
        return done, ("crash", f"signal {os.WTERMSIG(status)}")
    return done, (None if len(done) == len(numbers) else ("crash", f"status {status}"))


def _work(work: Callable, numbers: range, refusals: tuple, pipe: int) -> None:
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # to the end of the process
    os.dup2(sys.stdout.fileno(), 1)
    os.dup2(sys.stdout.fileno(), 2)
    watching = [False]

    def notice(event: str, arguments: Any) -> None:
        if watching[0] and event in _EVENTS:
            raise _Executed(f"{event} {str(arguments)[:100]}")

    def stop(*_: Any) -> None:
        raise _TooLong

    sys.addaudithook(notice)
    signal.signal(signal.SIGALRM, stop)
    faulthandler.disable()  # a crash is counted, its stack is nobody's
    most = _memory("VmRSS") + BYTES
    grown = _memory("VmSize") + 2 * BYTES
    resource.setrlimit(resource.RLIMIT_AS, (grown, grown))
    for number in numbers:
        peak = _memory("VmHWM")
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        watching[0] = True
        try:
            work(number)
            result = ("read", "")
        except refusals as error:
            named = str(number) in str(error)
            result = (
                ("refused", "") if named else ("raw exception", f"{type(error).__name__} without the file: {error}")
            )
        except _TooLong:
            result = ("over 10 s", "")
        except _Executed as error:
            result = ("executed", str(error))
        except BaseException as error:
            result = ("raw exception", f"{traceback.format_exception_only(error)[-1]} {_where(error)}")
        finally:
            watching[0] = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        if _memory("VmHWM") > max(peak, most):
            result = ("over 2 GB", str(_memory("VmHWM")))
        os.write(pipe, ("\t".join(result).replace("\n", " ")[:400] + "\n").encode())
    os._exit(0)


def _where(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"({Path(frame.filename).name}:{frame.lineno})"


def _memory(name: str) -> int:
    """Bytes of this process: ``VmSize``, ``VmRSS``, or ``VmHWM``, the most that it had in memory."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) << 10
