"""A million file names: found in a folder, kept in a few flat arrays."""

import os
import time
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from mmengine.logging import print_log

from mirl_mm.text import counted

from .directory_scan import walk

_REPORT_SECONDS = 2.0


class FileList(Sequence[str]):
    """File names by folder, kept as bytes in one array.

    As Python strings, 1.3 million names take some 100 MB in every worker process: reading an object writes its
    reference count, so the memory shared with the parent is copied. An array's is not.

    Args:
        folders: Each folder's path.
        names: For each folder the names in it, each ended by a NUL byte (which no file name can contain).
    """

    def __init__(self, folders: Sequence[str], names: Sequence[bytes]) -> None:
        self.folders = list(folders)
        self._names = np.frombuffer(b"".join(names), dtype=np.uint8)
        self._ends = np.flatnonzero(self._names == 0)
        folder_ends = np.cumsum([len(part) for part in names], dtype=np.int64)
        self._firsts = np.searchsorted(self._ends, folder_ends)  # index of the first file after each folder

    @classmethod
    def from_paths(cls, paths: Iterable[str]) -> "FileList":
        """Paths in the order given."""
        return cls([""], [b"".join(os.fsencode(path) + b"\0" for path in paths)])

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:  # type: ignore[override]  # no slices
        if not -len(self) <= index < len(self):
            raise IndexError(f"file {index} of a list of {len(self)}")
        index %= len(self)
        folder = int(np.searchsorted(self._firsts, index, side="right"))
        start = self._ends[index - 1] + 1 if index else 0
        return os.path.join(self.folders[folder], os.fsdecode(self._names[start : self._ends[index]].tobytes()))

    def counts(self) -> np.ndarray:
        """(number of folders,) int64: the files in each folder."""
        return np.diff(self._firsts, prepend=0)


def list_images(root: str, extensions: Collection[str]) -> FileList:
    """All files below an existing folder that end in one of the extensions (in lower case), whatever their case.

    Folders in order of their path, files of each in order of their name, as torchvision's ``ImageFolder`` has them.
    Linked folders are followed; names that start with a dot are left out (copies that macOS and Jupyter leave behind).
    What takes a while is reported.

    Returns:
        Paths relative to ``root``.
    """
    endings, found, number = tuple(extensions), {}, 0
    start = reported = time.monotonic()
    for folder, names in walk(root):
        wanted = sorted(os.fsencode(name) for name in names if name.lower().endswith(endings))
        if wanted:
            found[folder] = b"".join(name + b"\0" for name in wanted)
            number += len(wanted)
        now = time.monotonic()
        if now - reported > _REPORT_SECONDS:
            reported, rate = now, number / (now - start)
            print_log(f"Listing {root}: {counted(number, 'image')} so far, {rate:,.0f} per second", "current")
    if reported > start:
        where, seconds = counted(len(found), "folder"), time.monotonic() - start
        print_log(f"Listed {root}: {counted(number, 'image')} in {where}, {seconds:.1f} s", "current")
    paths = sorted(found)
    return FileList(paths, [found[path] for path in paths])
