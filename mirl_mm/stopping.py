"""A graceful stop at Ctrl-C and SIGTERM: at once, with a last line that says how to go on."""

import contextlib
import multiprocessing
import os
import select
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

#: What ends a command, and what it is called. (A closed terminal sends SIGHUP.)
_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}
#: Processes of a launched run that are not the first are silent: torchrun's, SLURM's and Open MPI's numbers.
_RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")
#: Seconds kept back for the end itself.
_MARGIN = 0.3


def seconds_to_stop() -> float:
    """Seconds from a signal to the end of the process: 2, or what the variable ``MIRL_STOP_SECONDS`` says.

    Clusters leave more time before they kill; a large model's checkpoint needs it.
    """
    return float(os.environ.get("MIRL_STOP_SECONDS", "2"))


class _Stop:
    """What the watcher and the training know of each other."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.finished = threading.Event()
        self.checkpoint: str | None = None
        self.reaching = self.writing = self.active = False


_stop = _Stop()


def is_requested() -> bool:
    """Whether a signal has come: what can be saved should be, and :func:`finish` called."""
    return _stop.deadline is not None


def time_left() -> float:
    """Seconds in which a checkpoint has to be written."""
    return (_stop.deadline or time.monotonic()) - _MARGIN - time.monotonic()


def set_checkpoint(path: str | Path | None) -> None:
    """Tell from which checkpoint the run could go on by now."""
    _stop.checkpoint = None if path is None else os.fspath(path)


def set_reaching(reaching: bool) -> None:
    """Tell whether the training will soon come to a place where it can save, so that the end waits for it."""
    _stop.reaching = reaching


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """While a checkpoint is written, the end waits for it; at the end of it, it waits no more."""
    _stop.writing = True
    try:
        yield
    finally:
        _stop.writing = False
    if is_requested():
        finish()


def finish() -> None:
    """Let the process end now, if a signal asked for it: nothing is left to be saved."""
    if is_requested():
        _stop.finished.set()
        while True:  # the watcher ends us
            time.sleep(1)


@contextlib.contextmanager
def ends_well() -> Iterator[None]:
    """A command that ends within :func:`seconds_to_stop` of Ctrl-C, SIGTERM or SIGHUP, without a traceback.

    A thread waits for the signals, as Python's own handlers wait while torch computes. If a checkpoint is being
    written, or the training said that it can write one (:func:`set_reaching`), it has that time for it; then the
    last line is printed, workers are killed and the process exits with 128 + the signal's number. A second signal ends
    it at once. Writes are atomic (:mod:`mirl_mm.file_backend`), so nothing is damaged by that.

    Signals that are ignored, as by ``nohup``, stay so; outside of the main thread nothing is changed.
    """
    global _stop
    if threading.current_thread() is not threading.main_thread() or _stop.active:
        yield
        return
    _stop = _Stop()
    _stop.active = True
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    before = {number: signal.getsignal(number) for number in _NAMES}
    numbers = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    woken = signal.set_wakeup_fd(sink, warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, lambda *_: None)  # in place of Python's; the watcher does it
    watcher = threading.Thread(target=_watch, args=(source,), daemon=True, name="stopping")
    watcher.start()
    try:
        yield
    except Exception:
        time.sleep(0.1)  # a worker or another process that went first is the signal's doing, too
        finish()
        raise
    finally:
        for number in numbers:
            signal.signal(number, before[number])
        signal.set_wakeup_fd(woken)
        os.write(sink, b"\0")
        watcher.join()
        os.close(source)
        os.close(sink)
        _stop.active = False


def _watch(source: int) -> None:
    number = 0
    while number not in _NAMES:
        (number,) = os.read(source, 1)
        if number == 0:
            return
    _stop.deadline = time.monotonic() + seconds_to_stop()
    while (_stop.reaching or _stop.writing) and not _stop.finished.is_set() and time_left() > 0:
        ready, _, _ = select.select([source], [], [], 0.02)
        if ready and os.read(source, 1)[0] in _NAMES:
            break
    _end(number)


def _end(number: int) -> None:
    line = f"\n{last_line(number)}\n" if all(os.environ.get(name, "0") == "0" for name in _RANKS) else ""
    for child in multiprocessing.active_children():
        child.kill()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(2, line.encode())
    os._exit(128 + number)


def last_line(number: int) -> str:
    """What is said at the end: the signal, the last checkpoint, and how to go on from it."""
    name = _NAMES[signal.Signals(number)]
    if _stop.checkpoint is None:
        return f"stopped by {name} before there was a checkpoint; to start again, give the same command"
    return f"stopped by {name}; to go on from {_stop.checkpoint}: {_command()}"


def _command() -> str:
    """This command with ``--resume``."""
    if any(name in os.environ for name in _RANKS):
        return "the same command with --resume"
    words = [word for word in sys.argv[1:] if not word.startswith("--resume=")]
    while "--resume" in words:
        at = words.index("--resume")
        has_value = len(words) > at + 1 and not words[at + 1].startswith("-")
        del words[at : at + 1 + has_value]
    return shlex.join(["python", sys.argv[0], *words, "--resume"])


def _forget() -> None:
    """In a forked worker: Ctrl-C is our affair, and its SIGTERM is its own."""
    if _stop.active:
        _stop.active = False
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


os.register_at_fork(after_in_child=_forget)
