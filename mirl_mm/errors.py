"""What whoever runs a tool can mend, and how the tool then ends: with the one line that says why."""

from collections.abc import Iterator
from contextlib import contextmanager


class CorruptImageError(RuntimeError):
    """A file that is there but can't be turned into an image, or can't be read."""


#: The kinds of error by which this package refuses what can't be; their messages say what to do.
MENDABLE = (OSError, ValueError, ImportError, FloatingPointError, CorruptImageError)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End a tool with ``error: ...`` in place of a traceback.

    Other errors are nobody's to mend but a programmer's: their traceback is shown. Runs have a log file, which keeps
    the traceback: ``plain_errors`` of ``mirl_mm/engine/run_errors.py``.

    Raises:
        SystemExit: With the line, in place of an error of :data:`MENDABLE`, which is its cause.
    """
    try:
        yield
    except MENDABLE as error:
        raise SystemExit(f"error: {error}") from error
