"""Long commands with a log, locks, and one way to fail; what the set-up scripts share. Standard library only."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class SetupError(Exception):
    """Why the set-up cannot go on, and what to do about it."""


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def duration(since: float) -> str:
    """The time since ``since`` (of `time.monotonic`), such as ``'2 min 05 s'``."""
    seconds = round(time.monotonic() - since)
    return f"{seconds // 60} min {seconds % 60:02d} s" if seconds >= 60 else f"{seconds} s"


def run_logged(
    command: Sequence[str],
    log: Path,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    hold: Sequence[int] = (),
) -> None:
    """Run a command with its output appended to ``log``.

    Args:
        command: Program and arguments.
        log: The file that keeps the output.
        env: Its environment; ours by default.
        on_line: Called with every line of output, to report progress.
        hold: File descriptors of locks that the command keeps held, should we be killed before it ends.

    Raises:
        SetupError: The command failed; carries the last lines of its output.
    """
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n")
        process = subprocess.Popen(
            command,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=tuple(hold),
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                file.write(line)
                if on_line is not None:
                    on_line(line)
            status = process.wait()
        finally:
            if process.poll() is None:  # we were interrupted
                process.terminate()
    if status:
        tail = "".join(log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)[-25:])
        raise SetupError(f"{tail}\n`{' '.join(command)}` failed with status {status}; all of its output is in {log}")


@contextmanager
def locked(path: Path, waiting_for: str) -> Iterator[int]:
    """Hold a lock that ends with its holders, however they end; yields its file descriptor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {waiting_for}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def exit_with(main: Callable[[], int]) -> None:
    """Run ``main`` and leave; a `SetupError` becomes a message and status 1."""
    try:
        sys.exit(main())
    except SetupError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the next call starts again from what is complete")
