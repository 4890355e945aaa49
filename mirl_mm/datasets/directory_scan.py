"""One look at folders: what counts as a file of a data set, and which folders are followed."""

import logging
import os
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from mmengine.logging import print_log

_THREADS = 8  # waiting for a network file system, not computing

#: A folder's path below the root, and device and inode of those it lies in, which tell them whatever link leads there.
_Place = tuple[str, tuple[tuple[int, int], ...]]


def read_folder(path: str | os.PathLike[str]) -> tuple[list[str], list[str]]:
    """Names of a folder's files and of its sub-folders, sorted; links count as what they lead to.

    Names that begin with a dot are left out: macOS writes a ``._a.png`` beside each ``a.png`` on other systems' disks,
    Jupyter keeps copies in ``.ipynb_checkpoints``.

    Raises:
        OSError: If it can't be read.
    """
    files, folders = [], []
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                folders.append(entry.name)
            elif entry.is_file():
                files.append(entry.name)
    return sorted(files), sorted(folders)


def walk(root: str | os.PathLike[str]) -> Iterator[tuple[str, list[str]]]:
    """An existing folder and all below it, level by level, with the names of their files.

    Linked folders are followed, but not back into a folder that they lie in. One that vanishes meanwhile is left out.

    Yields:
        The folder's path relative to ``root`` (empty for ``root``), and :func:`read_folder`'s files.
    """
    level: list[_Place] = [("", ())]
    pool = ThreadPoolExecutor(_THREADS)
    try:
        while level:
            below: list[_Place] = []
            for (path, above), (own, files, folders) in zip(
                level, pool.map(partial(_look, os.fspath(root)), level), strict=True
            ):
                if files is not None:
                    yield path, files
                below += [(os.path.join(path, name), (*above, own)) for name in folders]
            level = below
    finally:
        pool.shutdown(cancel_futures=True)


def _look(root: str, place: _Place) -> tuple[tuple[int, int], list[str] | None, list[str]]:
    """A folder's identity, files and sub-folders; no list of files where it lies within itself or is gone."""
    below, above = place
    path = os.path.join(root, below) if below else root
    own = (0, 0)
    try:
        stat = os.stat(path)
        own = stat.st_dev, stat.st_ino
        if own not in above:
            return own, *read_folder(path)
        print_log(f"Not followed: '{path}' is a link to a folder that it lies in", "current", logging.WARNING)
    except (FileNotFoundError, NotADirectoryError):
        if not below:
            raise
    return own, None, []


def find_files(root: str | os.PathLike[str], endings: Collection[str] = ()) -> list[Path]:
    """The files of a folder and of all below it, sorted by path; of some lower-case endings, in whatever case."""
    wanted = tuple(endings)
    found = [
        Path(root, folder, name)
        for folder, names in walk(root)
        for name in names
        if not wanted or name.lower().endswith(wanted)
    ]
    return sorted(found)
