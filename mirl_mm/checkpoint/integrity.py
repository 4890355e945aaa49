"""Whether a checkpoint of ``torch.save``, a zip file, is as it was written."""

import io
import os
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import Progress

_REMEDY = "Copy it again, or take the one before it"
_CHUNK = 8 << 20
_LARGE = 1 << 30  # bytes; some seconds, and more on a network


def check_checkpoint(path: str | Path) -> Path:
    """Make sure that a file is a checkpoint of ``torch.save`` and undamaged, by the checksums that it holds.

    All of it is read once, about 1 GB in a second, with a bar for large files. A file that has not changed since is
    not read again by the same process.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated, damaged or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint {str(path)!r}")
    facts = os.stat(path)
    _check(path, facts.st_size, facts.st_mtime_ns, facts.st_ino)
    return path


@lru_cache(maxsize=64)
def _check(path: Path, size: int, modified: int, inode: int) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # zipfile has several for a damaged table at the end
        raise ValueError(
            f"{str(path)!r} ({size} bytes) is no whole PyTorch checkpoint: truncated, or another kind "
            f"of file. {_REMEDY}"
        ) from error
    # torch.save stores as it is. A file that packs, or has the same bytes twice, stands for more than it is.
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or sum(e.file_size for e in entries) > size:
        raise ValueError(f"{str(path)!r} ({size} bytes) was not written by torch.save: it is packed. {_REMEDY}")
    if not any(entry.CRC for entry in entries if not entry.filename.endswith(".data/serialization_id")):
        return  # written with torch.serialization.set_crc32_options(False)
    bar = Progress(console=Console(stderr=True), transient=True, disable=size < _LARGE)
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive, bar:
            task = bar.add_task(f"checking {path.name}", total=size)
            for entry in entries:
                with archive.open(entry) as part:
                    while chunk := part.read(_CHUNK):  # raises where the checksum is another
                        bar.advance(task, len(chunk))
    except Exception as error:  # zipfile.BadZipFile, and others where the file's own tables are damaged
        raise ValueError(
            f"{str(path)!r} ({size} bytes) is damaged: its checksums do not agree ({error}). {_REMEDY}"
        ) from error


def records(path: str | Path) -> dict[str, int]:
    """Names of a checkpoint's parts, without the folder that they are in, and their bytes."""
    with zipfile.ZipFile(path) as archive:
        return {entry.filename.partition("/")[2]: entry.file_size for entry in archive.infolist()}


def table_of(path: str | Path) -> tuple[BinaryIO, int]:
    """The pickle in a checkpoint that says what is in it, and its length.

    Raises:
        ValueError: If there is none, or several.
    """
    with zipfile.ZipFile(path) as archive:
        found = [entry for entry in archive.infolist() if entry.filename.partition("/")[2] == "data.pkl"]
        if len(found) != 1:
            raise ValueError(f"{len(found)} tables of contents in place of one")
        return io.BytesIO(archive.read(found[0])), found[0].file_size
