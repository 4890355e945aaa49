"""Listings on disk. Whatever is wrong with a cache file or its folder, the only consequence is to look again."""

import hashlib
import logging
import os
import tempfile
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log


class Folder(NamedTuple):
    """What a folder holds, without what its sub-folders hold.

    ``stamp`` is its modification time in ns and its inode, None where it changed too recently to be trusted;
    ``names`` are its images' names, each ended by a NUL byte; ``children`` are its sub-folders' names.
    """

    stamp: tuple[int, int] | None
    names: bytes
    children: tuple[str, ...]


def cache_file(root: str, extensions: Collection[str], cache_dir: str | None = None) -> Path:
    """Where the listing of a folder is kept.

    Args:
        root: The folder.
        extensions: Those of the files listed.
        cache_dir: The folder of caches; None: ``$MIRL_MM_CACHE``, else ``$XDG_CACHE_HOME/mirl_mm``, else
            ``~/.cache/mirl_mm``.
    """
    base = cache_dir or os.environ.get("MIRL_MM_CACHE")
    if not base:
        base = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mirl_mm")
    key = "\0".join([os.path.abspath(root), *sorted(extensions)])
    return Path(base) / "listings" / f"{hashlib.sha256(os.fsencode(key)).hexdigest()[:32]}.npz"


def load_folders(file: Path) -> dict[str, Folder]:
    """The folders of a listing by their path relative to its root; none where there is no usable file."""
    try:
        with np.load(file, allow_pickle=False) as data:
            paths = os.fsdecode(data["paths"].tobytes()).split("\0")
            stamps, sizes, names = data["stamps"].tolist(), data["sizes"], data["names"].tobytes()
    except FileNotFoundError:
        return {}
    except Exception as error:  # np.load raises many types on a damaged file: BadZipFile, ValueError, EOFError, ...
        print_log(f"Listing cache {file} is unusable ({error}); looking again", "current", logging.WARNING)
        return {}
    if not len(paths) == len(stamps) == len(sizes) or sizes.sum() != len(names):
        print_log(f"Listing cache {file} contradicts itself; looking again", "current", logging.WARNING)
        return {}
    children: dict[str, list[str]] = defaultdict(list)
    for path in paths[1:]:  # the first is the root
        parent, name = os.path.split(path)
        children[parent].append(name)
    ends = np.cumsum(sizes).tolist()
    return {
        path: Folder((stamp[0], stamp[1]) if stamp[1] else None, names[end - size : end], tuple(sorted(children[path])))
        for path, stamp, size, end in zip(paths, stamps, sizes.tolist(), ends, strict=True)
    }


def save_folders(file: Path, folders: dict[str, Folder]) -> None:
    """Writes a listing, all or nothing; a warning where it can't be written."""
    stamps = np.array([folder.stamp or (0, 0) for folder in folders.values()], dtype=np.int64)
    names = [folder.names for folder in folders.values()]
    temporary = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".tmp", delete=False) as stream:
            temporary = stream.name
            np.savez(
                stream,
                paths=np.frombuffer(os.fsencode("\0".join(folders)), dtype=np.uint8),
                stamps=stamps,
                sizes=np.array([len(part) for part in names], dtype=np.int64),
                names=np.frombuffer(b"".join(names), dtype=np.uint8),
            )
        os.replace(temporary, file)
    except OSError as error:
        print_log(
            f"Cannot keep the listing in {file} ({error}): it is made anew at every start. Set MIRL_MM_CACHE to a "
            "folder that can be written",
            "current",
            logging.WARNING,
        )
        if temporary is not None and os.path.exists(temporary):
            os.remove(temporary)
