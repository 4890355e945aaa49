"""A lock: parts that compile share the machine, a part that measures has it alone."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .record import Record


class Turn:
    """A lock that all parts' processes have in common.

    A part holds it together with others, and alone within :meth:`alone`. The system takes it from a process that ends,
    in whatever way.

    Args:
        path: The lock's file.
        record: Takes down the time spent waiting, which is no part's own.
    """

    def __init__(self, path: Path, record: Record) -> None:
        self._file, self._record = path.open("a"), record
        self._take(fcntl.LOCK_SH)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within it no other part computes anything on the device or compiles."""
        self._take(fcntl.LOCK_EX)
        try:
            yield
        finally:
            self._take(fcntl.LOCK_SH)

    def _take(self, kind: int) -> None:
        content = self._record.content
        started = content["waiting_since"] = time.time()
        try:
            fcntl.flock(self._file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            self._record.write()
            fcntl.flock(self._file, kind)
        content["waited"] += time.time() - started
        content["waiting_since"] = None
        self._record.write()
