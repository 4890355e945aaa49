"""A million file names in a few flat arrays."""

import os
from collections.abc import Iterable, Sequence

import numpy as np


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
