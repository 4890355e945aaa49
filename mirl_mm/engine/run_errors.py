"""One-line errors of tools that run a training or a test; the traceback goes to the log file."""

import contextlib
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from mmengine.logging import MMLogger

from mirl_mm.disk_full import NoSpaceError
from mirl_mm.errors import MENDABLE
from mirl_mm.text import short_path

_PACKAGE = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """End with one line, ``error: ...``, and leave the traceback to the run's log file.

    So end errors of the kinds by which this package refuses what can't be, and, once there is a log file to keep the
    traceback, any error of a process that loads images and ``RuntimeError``, such as memory that ran out. Others are
    nobody's to mend but a programmer's: their traceback is shown.

    Raises:
        SystemExit: With the line, in place of such an error, which is its cause.
    """
    try:
        yield
    except Exception as error:
        text = _of_worker(str(error))
        file = None if isinstance(error, NoSpaceError) else _keep(error)
        kept = file is not None and (text is not None or isinstance(error, RuntimeError))
        if not (isinstance(error, MENDABLE) or kept or _is_ours(error)):
            raise
        where = f"\n(the traceback is in '{short_path(file)}')" if file else ""
        raise SystemExit(f"error: {text or error}{where}") from error


def _of_worker(message: str) -> str | None:
    """What an error of a loading process says: torch puts its traceback before it; None for other errors."""
    caught = re.match(r"Caught (\w+) in (?:DataLoader worker process|pin memory thread)", message)
    if caught is None:
        return None
    ends = [match.end() for match in re.finditer(rf"^(?:[\w.]+\.)?{caught[1]}: ?", message, re.MULTILINE)]
    return message[ends[-1] :].strip() if ends else message.splitlines()[0]


def _is_ours(error: Exception) -> bool:
    """Whether this package raised a ``RuntimeError``, whose message then says what to do."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    file = frame.tb_frame.f_code.co_filename if frame is not None else ""
    return isinstance(error, RuntimeError) and Path(file).is_relative_to(_PACKAGE)


def _keep(error: Exception) -> str | None:
    """Write the traceback into the log file of the run that failed; its path, if there is one."""
    logger = MMLogger.get_current_instance()
    files = [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]
    record = logger.makeRecord(logger.name, logging.ERROR, "", 0, "the run ends here", (), sys.exc_info())
    for handler in files:
        handler.handle(record)
    return files[0].baseFilename if files else None
