"""Checks that files which are written replace no input, and nothing that is not their own maker's.

Whoever writes files whose names follow from those of inputs asks here first. A PNG file that is written through here
says who made it and of what, so that the same run, done again, may replace it, and no other.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from .file_backend import write_file

PathLike = str | os.PathLike[str]

_HEAD = 33  # bytes of a PNG file's signature and first chunk, IHDR, behind which others may stand (PNG, section 5.6)
_KEY = b"tEXtmirl_mm\0"


class OutputError(ValueError):
    """A file that would replace an input or somebody else's file, or come to lie where it shouldn't."""


class Outputs:
    """PNG files of one run, checked before the first of them is written.

    Args:
        maker: What writes them, such as ``coco_to_masks``.
        sources: Each file, and what it is made of: see :func:`source_of`.
        inputs: Files that are read, in whose folders nothing is written.
        folder: That in which all files have to lie, or in folders below it. Default: anywhere.

    Raises:
        OutputError: As :func:`check_output` and :func:`keep_apart`, or for a file outside of ``folder``.
    """

    def __init__(
        self, maker: str, sources: Mapping[Path, str], inputs: Iterable[PathLike] = (), folder: PathLike | None = None
    ) -> None:
        self.maker, self.sources = maker, sources
        outside = [path for path in sources if folder is not None and not _within(path, folder)]
        if outside:
            raise OutputError(
                f"'{outside[0]}' lies outside of the output folder '{folder}', and was not written: correct the name "
                "from which it follows"
            )
        places = {os.path.realpath(path.parent): path.parent for path in sources}
        inputs = list(inputs)
        for place in places.values():
            keep_apart(place, inputs)
        for path, source in sources.items():
            check_output(path, maker, source)

    def put(self, path: Path, png: bytes) -> None:
        """Write one of the files."""
        put_png(path, png, self.maker, self.sources[path])


def source_of(item: PathLike | np.ndarray) -> str:
    """What tells a source from others: a file's absolute path, an array's content."""
    if isinstance(item, np.ndarray):
        return hashlib.sha256(np.ascontiguousarray(item).tobytes()).hexdigest()
    return os.path.abspath(item)


def put_png(path: PathLike, png: bytes, maker: str, source: str) -> None:
    """Write a PNG file that says who made it, and of what (as a digest, which tells nobody a path)."""
    content = _KEY + _mark(maker, source)
    chunk = (len(content) - 4).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")
    write_file(Path(path), png[:_HEAD] + chunk + png[_HEAD:])


def check_output(path: PathLike, maker: str, source: str) -> None:
    """See that a PNG file is not there yet, or was made by the same maker of the same source.

    Raises:
        OutputError: If it would replace another file.
    """
    if not os.path.lexists(path):
        return
    made_by = _made_by(path)
    if made_by == _mark(maker, source):
        return
    other = "was made of something else" if made_by and made_by.startswith(maker.encode()) else f"is not {maker}'s"
    raise OutputError(f"'{path}' is there and {other}: it is not replaced. Give another folder, or move it away")


def check_json(path: PathLike, description: str) -> None:
    """See that a COCO file is not there yet, or has the same ``info.description``.

    Raises:
        OutputError: If it would replace another file.
    """
    if not os.path.lexists(path):
        return
    try:
        info = json.loads(Path(path).read_bytes())["info"]["description"]
    except (OSError, ValueError, KeyError, TypeError):
        info = None
    if info != description:
        raise OutputError(
            f"'{path}' is there and is not this conversion's: it is not replaced. Give another folder by --out-dir, or "
            "move it away"
        )


def check_text(path: PathLike, text: str) -> None:
    """See that a text file is not there yet, or says the same.

    Raises:
        OutputError: If it would replace another text.
    """
    if os.path.lexists(path) and not (os.path.isfile(path) and Path(path).read_bytes() == text.encode()):
        raise OutputError(
            f"'{path}' is there and says something else: it is not replaced. Give another folder, or move it away"
        )


def keep_apart(folder: PathLike, inputs: Iterable[PathLike]) -> None:
    """See that a folder for outputs is none of those in which inputs lie: they would be inputs of the next run.

    Raises:
        OutputError: If an input lies in it.
    """
    real = os.path.realpath(folder)
    parents = {os.path.dirname(os.path.abspath(each)): each for each in inputs}
    for parent, each in parents.items():
        if os.path.realpath(parent) == real:
            raise OutputError(f"'{folder}' is the folder of the input '{each}': give another one for what is written")


def check_not_input(path: PathLike | None, inputs: Iterable[PathLike | None]) -> None:
    """See that a file that the user has named for writing is none of those that are read.

    Raises:
        OutputError: If it is.
    """
    if path is not None and any(
        each is not None and os.path.realpath(each) == os.path.realpath(path) for each in inputs
    ):
        raise OutputError(f"'{path}' is read, and would be replaced by what is written: give another name")


def _within(path: PathLike, folder: PathLike) -> bool:
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))


def _mark(maker: str, source: str) -> bytes:
    return f"{maker} {hashlib.sha256(os.fsencode(source)).hexdigest()[:16]}".encode()


def _made_by(path: PathLike) -> bytes | None:
    """What a PNG file says about who made it; None if it says nothing of this kind."""
    try:
        with open(path, "rb") as file:
            start = file.read(_HEAD + 256)
    except OSError:
        return None
    content = start[_HEAD + 4 :]
    length = int.from_bytes(start[_HEAD : _HEAD + 4], "big") + 4
    return content[len(_KEY) : length] if content.startswith(_KEY) else None
