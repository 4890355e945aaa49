"""Errors of a full disk, a used-up quota, a limit on the size of files."""

import errno
import resource
import shutil
from pathlib import Path


class NoSpaceError(OSError):
    """A file could not be written for want of space; what was under its name before is untouched."""


def explain_no_space(error: OSError, path: str | Path, size: int | None = None) -> NoSpaceError | None:
    """The error to raise for a full disk's, an exhausted quota's or that of a limit on files' sizes; None for others.

    It is about a file, of ``size`` bytes if that is known, or the folder of several.
    """
    need = "" if size is None else f" of {size_text(size)}"
    folder = Path(path)
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if error.errno == errno.ENOSPC:
        why = f"the disk is full ({size_text(free)} free): make room"
    elif error.errno == errno.EDQUOT:
        why = f"your quota is used up ({size_text(free)} are free on the disk): make room, or have it raised"
    elif error.errno == errno.EFBIG:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        why = f"a file may have {size_text(limit)} here: raise the limit (ulimit -f)"
    else:
        return None
    return NoSpaceError(f"can't write '{path}'{need}: {why}. What was there before is untouched")


def size_text(size: int) -> str:
    """Bytes as people say them, such as ``1.2 GB``; 1 GB has 10**9."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if size >= 10**power:
            return f"{size / 10**power:.3g} {unit}"
    return f"{size} bytes"
