"""Which images a folder holds, kept in a cache that notices changes.

Adding, removing or renaming a file or sub-folder changes its folder's modification time. So of a tree that is known
only the folders are looked at, a thousand for ImageNet, and only those that changed are read again.
"""

import os
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mmengine.dist import barrier, get_rank, is_distributed
from mmengine.logging import print_log

from mirl_mm.text import counted

from .file_list import FileList
from .listing_cache import Folder, cache_file, load_folders, save_folders
from .walk import Identity, identity, lies_within_itself, read_folder

# A folder that changed this recently may change again without its time stamp moving on: it isn't trusted next time.
_RACY_NS = 2_000_000_000
_REPORT_SECONDS = 2.0
_THREADS = 8  # waiting for a network file system, not computing


def list_images(root: str, extensions: Collection[str], cache_dir: str | None = None) -> FileList:
    """All files below a folder that end in one of the extensions, whatever their case.

    Folders in order of their path, files of each in order of their name, as torchvision's ``ImageFolder`` has them.
    Linked folders are followed; names that start with a dot are left out (copies that macOS and Jupyter leave behind).
    Of several processes on a machine the first looks and the others use the cache it wrote.

    Args:
        root: An existing folder.
        extensions: In lower case, with the dot.
        cache_dir: Where listings are kept; None: see :func:`~mirl_mm.datasets.listing_cache.cache_file`.

    Returns:
        Paths relative to ``root``.
    """
    if not is_distributed():
        return _list(root, extensions, cache_dir)
    leads = int(os.environ.get("LOCAL_RANK", get_rank())) == 0
    try:
        files = _list(root, extensions, cache_dir) if leads else None
    finally:  # an error must not leave the others waiting; they look for themselves and meet it as well
        barrier()
    return _list(root, extensions, cache_dir) if files is None else files


def _list(root: str, extensions: Collection[str], cache_dir: str | None) -> FileList:
    file = cache_file(root, extensions, cache_dir)
    known = load_folders(file)
    start = time.monotonic()
    folders = _Walk(root, tuple(extensions), known).run()
    paths = sorted(path for path, folder in folders.items() if folder.names)
    files = FileList(paths, [folders[path].names for path in paths])
    if folders != known:
        save_folders(file, folders)
        seconds = time.monotonic() - start
        print_log(
            f"Listed {root}: {counted(len(files), 'image')} in {counted(len(paths), 'folder')}, {seconds:.1f} s",
            "current",
        )
    return files


@dataclass(frozen=True)
class _Place:
    """A folder to look at: its path relative to the root, and what tells the folders it lies in from others."""

    path: str
    above: tuple[Identity, ...]


class _Walk:
    """One look at a tree, level by level.

    Args:
        root: Where to start.
        extensions: Endings of the files wanted.
        known: The folders as they were last time, by path relative to ``root``.
    """

    def __init__(self, root: str, extensions: tuple[str, ...], known: dict[str, Folder]) -> None:
        self.root = root
        self.extensions = extensions
        self.known = known

    def run(self) -> dict[str, Folder]:
        """The folders as they are now, by path relative to the root."""
        folders: dict[str, Folder] = {}
        places = [_Place("", ())]
        files, start = 0, time.monotonic()
        reported = start
        with ThreadPoolExecutor(_THREADS) as pool:
            while places:
                below: list[_Place] = []
                for place, (own, folder) in zip(places, pool.map(self._look, places), strict=True):
                    if folder is None:
                        continue
                    folders[place.path] = folder
                    below += [_Place(os.path.join(place.path, child), (*place.above, own)) for child in folder.children]
                    files += folder.names.count(b"\0")
                    now = time.monotonic()
                    if now - reported > _REPORT_SECONDS:
                        reported = now
                        rate = files / (now - start)
                        print_log(
                            f"Listing {self.root}: {counted(files, 'image')} so far, {rate:,.0f} per second", "current"
                        )
                places = below
        return folders

    def _look(self, place: _Place) -> tuple[Identity, Folder | None]:
        """A folder's identity and content; None where it lies within itself or vanished meanwhile."""
        path = os.path.join(self.root, place.path)
        now = time.time_ns()
        try:
            own, changed = identity(path), os.stat(path).st_mtime_ns
            if lies_within_itself(path, own, place.above):
                return own, None
            stamp = (changed, own[1]) if changed < now - _RACY_NS else None
            known = self.known.get(place.path)
            if known is not None and stamp is not None and known.stamp == stamp:
                return own, known
            return own, self._read(path, stamp)
        except (FileNotFoundError, NotADirectoryError):
            return (0, 0), None

    def _read(self, path: str, stamp: tuple[int, int] | None) -> Folder:
        names, children = read_folder(path)
        wanted = sorted(os.fsencode(name) for name in names if name.lower().endswith(self.extensions))
        return Folder(stamp, b"".join(name + b"\0" for name in wanted), tuple(children))
