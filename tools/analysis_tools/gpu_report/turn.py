"""A lock: parts that compile share the machine, a part that measures has it alone."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .record import Record


class Turn:
    """A lock that all parts' processes have in common.

    A part holds it together with others, and alone within :meth:`alone`. Who asks first gets it first: at a gate, so
    that a part that waits to be alone is not passed by others that share. The system takes it from a process that
    ends, in whatever way.

    Args:
        path: The lock's file; the gate's is beside it.
        record: Takes down the time spent waiting, which is no part's own.
    """

    def __init__(self, path: Path, record: Record) -> None:
        self._file, self._gate, self._record = path.open("a"), path.with_suffix(".gate").open("a"), record
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
        self._record.write()
        fcntl.flock(self._file, fcntl.LOCK_UN)
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        fcntl.flock(self._file, kind)
        fcntl.flock(self._gate, fcntl.LOCK_UN)
        content["waited"] += time.time() - started
        content["waiting_since"] = None
        self._record.write()
