"""What is in a weight file of any kind, read without running anything that the file names."""

import re
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from torch.serialization import safe_globals

from .integrity import check_checkpoint, records, table_of
from .numpy_pickles import Namespace, read_pickle
from .pickle_scan import scan

#: How PyTorch's files before 1.6 begin: a pickled number.
_OLD_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_PICKLE = b"\x80"
_ZIP = b"PK\x03\x04"
#: What torch's restricted reader lets make tensors, and what of it weights need.
_SPECIAL = re.compile(r"torch\._utils\._rebuild_.*|torch\..*Tensor|torch\.serialization\._get_layout")
_USUAL = {f"torch._utils._rebuild_{what}" for what in ("tensor", "tensor_v2", "parameter", "parameter_with_state")}
#: Names of PyTorch's kinds of memory, and the bytes of a number there.
_ELEMENTS = {
    **dict.fromkeys(("UntypedStorage", "ByteStorage", "CharStorage", "BoolStorage"), 1),
    **dict.fromkeys(("ShortStorage", "HalfStorage", "BFloat16Storage"), 2),
    **dict.fromkeys(("IntStorage", "FloatStorage"), 4),
    **dict.fromkeys(("LongStorage", "DoubleStorage", "ComplexFloatStorage"), 8),
    "ComplexDoubleStorage": 16,
}
_TORCH_SAYS = "WeightsUnpickler error:"
_SMALL = 1 << 20  # bytes; up to here a tensor may be one value, repeated
_LONGEST_HEADER = 1 << 30  # bytes; the eight first ones of a safetensors file say how long its table is


class _Inert:
    """Stands for whatever a checkpoint holds besides tensors and plain values, such as the log of the run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def file_kind(path: str | Path) -> str:
    """The kind of a weight file: ``"torch"``, ``"old torch"`` (before 1.6), ``"safetensors"`` or ``"pickle"``.

    The ending of its name does not matter. PyTorch's zip files are checked: :func:`.integrity.check_checkpoint`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another kind of file, or a damaged one of PyTorch.
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
    run's log; plain pickles (PaddlePaddle's, detectron2's) through :func:`.numpy_pickles.read_pickle`.

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
        names = (_scan_old if old else scan_file)(path)
        with safe_globals([(Namespace if name == "argparse.Namespace" else _Inert, name) for name in names]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=not old)
    except Exception as error:  # zip, pickle and torch have an exception type each
        raise ValueError(f"{str(path)!r} can't be read as a checkpoint: {reason(error)}") from error
    content = content if isinstance(content, dict) else {}
    return {key: dict(value.values) if isinstance(value, Namespace) else value for key, value in content.items()}


def scan_file(path: Path) -> set[str]:
    """Names in a whole file of PyTorch, once it is sure that reading it does no harm.

    Raises:
        ValueError: If it describes what no weights are; other exceptions if it is damaged.
    """
    parts = records(path)
    found = scan(*table_of(path))
    for key, (kind, number) in found.storages.items():
        if parts.get(f"data/{key}", -1) < number * _element_size(kind):
            raise ValueError(f"a tensor's {number} numbers are not all there")
    return _checked(found.names)


def _scan_old(path: Path) -> set[str]:
    """The same of a file before the zips, which begins with four pickles: magic number, version, machine, content."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        found = [scan(file, size) for _ in range(4)]
    if any(number * _element_size(kind) > size for each in found for kind, number in each.storages.values()):
        raise ValueError("a tensor is larger than the file")
    return _checked({name for each in found for name in each.names})


def _element_size(kind: str) -> int:
    """Bytes of an element of ``torch.FloatStorage`` and the like."""
    size = _ELEMENTS.get(kind.rpartition(".")[2])
    if size is None:
        raise ValueError(f"it holds numbers of the special kind {kind[:60]}, no weights")
    return size


def _checked(names: set[str]) -> set[str]:
    """Refuse tensors that are not simply numbers in memory: torch makes some of them of sizes alone."""
    special = {name for name in names if _SPECIAL.fullmatch(name)} - _USUAL
    if special:
        raise ValueError(f"it holds special tensors, no weights: {', '.join(sorted(special))}")
    return names


def reason(error: Exception) -> str:
    """One line of an exception; of torch's advice to trust a file, what was wrong."""
    lines = [line.strip() for line in str(error).rpartition(_TORCH_SAYS)[2].splitlines() if line.strip()]
    return next((line for line in lines if "GLOBAL" in line), (lines or [type(error).__name__])[0])[:500]


def check_tensor(name: str, tensor: Tensor) -> None:
    """Make sure that a tensor is numbers in memory, each of which the file holds.

    Raises:
        ValueError: If it is sparse, quantised, without values (on the device meta), or larger than its memory.
    """
    plain = tensor.layout == torch.strided and not (tensor.is_meta or tensor.is_quantized or tensor.is_nested)
    if not plain or tensor.numel() * tensor.element_size() > max(tensor.untyped_storage().nbytes(), _SMALL):
        kind = "no plain numbers" if not plain else "larger than what the file holds of it"
        raise ValueError(f"its tensor {name[:100]!r} is {kind}")


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
            return {"state_dict": state, "metadata": file.metadata() or {}}
    except Exception as error:  # SafetensorError, and others for types that torch lacks
        raise ValueError(f"{str(path)!r} can't be read as a safetensors file: {reason(error)}") from error
