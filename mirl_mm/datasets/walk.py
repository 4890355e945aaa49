"""One look at folders: what counts as a file of a data set, and which folders are followed."""

import logging
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from mmengine.logging import print_log

Identity = tuple[int, int]


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


def identity(path: str | os.PathLike[str]) -> Identity:
    """What tells a folder from every other, whatever link leads to it: device and inode."""
    stat = os.stat(path)
    return stat.st_dev, stat.st_ino


def lies_within_itself(path: str, own: Identity, above: Collection[Identity]) -> bool:
    """Whether a folder is one of those above it, to which a link in it led back; says so."""
    if own not in above:
        return False
    print_log(f"Not followed: '{path}' is a link to a folder that it lies in", "current", logging.WARNING)
    return True


def walk(root: str | os.PathLike[str]) -> Iterator[tuple[str, list[str]]]:
    """A folder and all below it, each before those in it, with the names of its files.

    Linked folders are followed, but not back into a folder that they lie in.

    Args:
        root: An existing folder.

    Yields:
        The folder's path relative to ``root`` (empty for ``root``), and :func:`read_folder`'s files.
    """
    yield from _walk(os.fspath(root), "", ())


def _walk(root: str, below: str, above: tuple[Identity, ...]) -> Iterator[tuple[str, list[str]]]:
    path = os.path.join(root, below) if below else root
    own = identity(path)
    if lies_within_itself(path, own, above):
        return
    files, folders = read_folder(path)
    yield below, files
    for name in folders:
        yield from _walk(root, os.path.join(below, name), (*above, own))


def find_files(root: str | os.PathLike[str], endings: Collection[str] = ()) -> list[Path]:
    """The files of a folder and of all below it, sorted by path.

    Args:
        root: An existing folder.
        endings: How names end, in lower case; the names' case plays no part. Default: all files.
    """
    wanted = tuple(endings)
    found = [
        Path(root, folder, name)
        for folder, names in walk(root)
        for name in names
        if not wanted or name.lower().endswith(wanted)
    ]
    return sorted(found)
