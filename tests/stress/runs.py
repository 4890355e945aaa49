"""Trainings in forked processes: started at once, as everything is imported, and killed where it hurts."""

import io
import os
import random
import re
import runpy
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.training import ROOT

LIMIT = 120.0  # seconds that no training here takes


class Process:
    """A forked process that runs a function.

    Args:
        function: What it does.
        log: File that takes all that it prints.
        env: Environment variables besides.
    """

    def __init__(self, function: Callable[[], None], log: Path, **env: str) -> None:
        self.log = log
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._work(function, env)
        self.code: int | None = None

    def _work(self, function: Callable[[], None], env: dict[str, str]) -> None:
        code = 1
        try:
            os.setsid()
            file = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, 1)
            os.dup2(file, 2)
            os.environ.update(env)
            function()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
            if isinstance(error.code, str):
                print(error.code, file=sys.stderr)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def wait(self, seconds: float = LIMIT) -> int:
        """Wait for its end; its exit code, or minus the signal that ended it.

        Raises:
            TimeoutError: If it takes longer; it is killed then.
        """
        end = time.monotonic() + seconds
        while not self.has_ended():
            if time.monotonic() > end:
                self.kill()
                self.wait()
                raise TimeoutError(f"a training hangs: {self.log}")
            time.sleep(0.01)
        assert self.code is not None
        return self.code

    def has_ended(self) -> bool:
        """Whether it has; its exit code is known then."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal, if it has not been waited for."""
        if self.code is None:
            os.kill(self.pid, number)


def training(arguments: Sequence[str | Path], before: Callable[[], None] = lambda: None) -> Callable[[], None]:
    """What a process does that runs tools/train.py; ``before`` it something of ours."""

    def work() -> None:
        os.chdir(ROOT)
        sys.argv = ["tools/train.py", *map(str, arguments)]
        before()
        runpy.run_path(str(ROOT / "tools/train.py"), run_name="__main__")

    return work


def start(arguments: Sequence[str | Path], log: Path, before: Callable[[], None] = lambda: None) -> Process:
    """A training in one process."""
    return Process(training(arguments, before), log)


def start_two(arguments: Sequence[str | Path], log: Path, before: Callable[[], None] = lambda: None) -> list[Process]:
    """A training in two processes, without torchrun; ``before`` is for the first alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    env = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [
        Process(
            training([*arguments, "--launcher", "pytorch"], before if rank == 0 else lambda: None),
            log.with_suffix(f".{rank}.log"),
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            **env,
        )
        for rank in range(2)
    ]


def resumed_at(log: Path) -> int | None:
    """The iteration at which a training went on, by its log."""
    found = re.search(r"resumed epoch: \d+, iter: (\d+)", log.read_text(errors="replace"))
    return int(found[1]) if found else None


class Trap:
    """Where a training is to be killed; :meth:`set` is called in its process, before it begins.

    Nothing happens before there is a checkpoint. Then it dies by its own SIGKILL inside the ``number``-th write, before
    the flush of what was written, before a file gets its name, before an outdated one is removed, or in a batch of a
    validation; or, for ``moment``, tells through a pipe that the next moments count.

    Args:
        clock: By which all is chosen.
        two: Whether files are written by one of two processes.
    """

    KINDS = ("moment", "moment", "write", "fsync", "replace", "remove", "validation")

    def __init__(self, clock: random.Random) -> None:
        self.kind = clock.choice(self.KINDS)
        self.number = clock.randrange(1, 6)
        self._source, self._sink = os.pipe()
        self._calls = 0
        self._armed = False

    def set(self) -> None:
        """Lay it."""
        from mirl_mm import file_backend
        from mirl_mm.engine.hooks.checkpoint import AtomicCheckpointHook

        begin = AtomicCheckpointHook.before_train_iter

        def arm(hook: AtomicCheckpointHook, *args, **kwargs) -> None:
            if hook.last_ckpt is not None and not self._armed:
                self._armed = True
                os.write(self._sink, b"!")
            begin(hook, *args, **kwargs)

        AtomicCheckpointHook.before_train_iter = arm
        if self.kind == "write":
            file_backend.open = lambda path, mode="r": self._file(path, mode)
        elif self.kind in ("fsync", "replace"):
            setattr(os, self.kind, self._dying(getattr(os, self.kind)))
        elif self.kind == "remove":
            file_backend.AtomicLocalBackend.remove = self._dying(file_backend.AtomicLocalBackend.remove)
        elif self.kind == "validation":
            from mirl_mm.engine.ema import EMAValLoop

            EMAValLoop.run_iter = self._dying(EMAValLoop.run_iter)

    def _due(self) -> bool:
        self._calls += self._armed
        return self._armed and self._calls == self.number

    def _dying(self, function: Callable) -> Callable:
        def wrapped(*args, **kwargs):
            if self._due():
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return wrapped

    def _file(self, path, mode):
        return HalfWriter(path, mode) if "w" in mode and self._due() else open(path, mode)

    def is_armed(self, seconds: float) -> bool:
        """Whether the training has come to where it may be killed, within some time."""
        return bool(select.select([self._source], [], [], seconds)[0])

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self._source)
        os.close(self._sink)


class HalfWriter(io.FileIO):
    """Writes half of what it is given, then dies."""

    def write(self, data):
        super().write(bytes(data)[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
