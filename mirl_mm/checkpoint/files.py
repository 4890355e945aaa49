"""What is in a weight file of any kind, read without running anything that the file names."""

import pickletools
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from .latest import check_checkpoint
from .pickles import plain_values, read_pickle

#: How PyTorch's files before 1.6 begin: a pickled number.
_OLD_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_PICKLE = b"\x80"
_ZIP = b"PK\x03\x04"
_LONGEST_HEADER = 1 << 30  # bytes; the eight first ones of a safetensors file say how long its table is


class _Inert:
    """Stands for whatever a checkpoint holds besides tensors and plain values, such as the log of the run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _Arguments(_Inert):
    """Stands for ``argparse.Namespace``; keeps its plain values."""

    values: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.values = plain_values(state) if isinstance(state, dict) else {}


def file_kind(path: str | Path) -> str:
    """The kind of a weight file: ``"torch"``, ``"old torch"`` (before 1.6), ``"safetensors"`` or ``"pickle"``.

    The ending of its name does not matter. Only the file's ends are read.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another kind of file, or a truncated one of PyTorch.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise FileNotFoundError(
            f"no checkpoint {str(path)!r}: it {'is no local file, download it first' if ':/' in str(path) else what}"
        )
    with open(path, "rb") as file:
        start = file.read(len(_OLD_TORCH))
    if start.startswith(_ZIP):
        check_checkpoint(path)
        return "torch"
    if start == _OLD_TORCH:
        return "old torch"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < _LONGEST_HEADER:
        return "safetensors"
    if start.startswith(_PICKLE):
        return "pickle"
    raise ValueError(
        f"{str(path)!r} ({path.stat().st_size} bytes) is no weight file of PyTorch, safetensors, PaddlePaddle or "
        "detectron2: truncated, or another kind of file. Copy it again, or take the one before it"
    )


def read_file(path: str | Path) -> dict[Any, Any]:
    """Read the table in a weight file of any kind.

    PyTorch's files go through torch's restricted reader (``weights_only``), with empty stand-ins for objects such as a
    run's log; plain pickles (PaddlePaddle's, detectron2's) through :func:`.pickles.read_pickle`.

    Returns:
        The table. ``args`` is a dict of plain values. That of a safetensors file has ``state_dict`` and ``metadata``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated, damaged or another kind of file, or names what weights don't need.
    """
    kind = file_kind(path)
    if kind == "pickle":
        return read_pickle(path)
    if kind == "safetensors":
        return _read_safetensors(Path(path))
    return _read_torch(Path(path), old=kind == "old torch")


def _read_torch(path: Path, old: bool) -> dict[Any, Any]:
    try:
        names = _globals_of_old_file(path) if old else get_unsafe_globals_in_checkpoint(path)
        with safe_globals([(_Arguments if name == "argparse.Namespace" else _Inert, name) for name in names]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=not old)
    except Exception as error:  # zip, pickle and torch have an exception type each
        lines = str(error).splitlines() or [type(error).__name__]
        reason = next((line for line in lines if "GLOBAL" in line), lines[0])  # after torch's advice to trust the file
        raise ValueError(f"{str(path)!r} can't be read as a checkpoint: {reason}") from error
    content = content if isinstance(content, dict) else {}
    return {key: value.values if isinstance(value, _Arguments) else value for key, value in content.items()}


def _globals_of_old_file(path: Path) -> list[str]:
    """Names in the four pickles (magic number, version, machine, content) with which a file before the zips begins."""
    with open(path, "rb") as file:
        instructions = [found for _ in range(4) for found in pickletools.genops(file)]
    return [str(argument).replace(" ", ".") for code, argument, _ in instructions if code.name == "GLOBAL"]


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
            return {"state_dict": state, "metadata": file.metadata() or {}}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{str(path)!r} can't be read as a safetensors file: {error}") from error
