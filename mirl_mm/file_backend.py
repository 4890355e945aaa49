"""Atomic writes: files that are whole or not there."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.fileio import LocalBackend, register_backend

from .disk_full import explain_no_space


@contextmanager
def whole_file(path: str | Path, size: int | None = None) -> Iterator[Path]:
    """A file to write in place of ``path``, in the same folder, which is made; at the end it takes that name.

    It is flushed to the disk first, so a kill or a full disk leaves what was there before. After an exception it is
    removed.

    Raises:
        NoSpaceError: If it, of ``size`` bytes where that is known, does not fit.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.tmp{os.getpid()}")
    try:
        yield partial
        written = os.open(partial, os.O_RDWR)
        try:
            os.fsync(written)
        finally:
            os.close(written)
        os.replace(partial, path)
    except OSError as error:
        explained = explain_no_space(error, path, size)
        if explained is None:
            raise
        raise explained from error
    finally:
        partial.unlink(missing_ok=True)


def write_file(path: str | Path, content: bytes | str) -> None:
    """Write a file, whole or not at all, creating its folder; see :func:`whole_file`.

    Text becomes UTF-8; names of files in it may be of any bytes.

    Raises:
        NoSpaceError: If it does not fit.
    """
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    with whole_file(path, len(data)) as partial, open(partial, "wb") as file:
        file.write(data)


class AtomicLocalBackend(LocalBackend):
    """mmengine's local storage with atomic writes: a file appears under its name only when all of it is on the disk.

    Registered as ``atomic_local``. The bytes go to ``<name>.tmp<pid>`` in the same folder, are flushed to the disk, and
    take the name's place in one step, so a kill or a full disk leaves the previous file as it was.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write ``obj`` to ``filepath``, creating its folder."""
        write_file(filepath, obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = "utf-8") -> None:
        """Write text to ``filepath``; names of files in it may be of any bytes."""
        write_file(filepath, obj.encode(encoding, "surrogateescape"))


def json_bytes(content: Any, **kwargs: Any) -> bytes:
    """JSON in UTF-8 as it reads, of any names, by ``json.dumps`` and its arguments.

    The bytes of a file's name that are no UTF-8, which Python holds as lone surrogates, become escapes, from which
    Python reads the same name.
    """
    return json.dumps(content, ensure_ascii=False, **kwargs).encode("utf-8", "backslashreplace")


register_backend("atomic_local", AtomicLocalBackend, force=True)
