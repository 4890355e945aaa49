"""Pickles of NumPy arrays, read without trust: PaddlePaddle's (``.pd``, ``.pdparams``) and detectron2's (``.pkl``).

``paddle.save`` and detectron2's model zoo write plain pickles, and a pickle can call whatever it names. Here every name
that such a file needs stands for a class of this module that only keeps and checks values; any other name is refused.
Nothing of NumPy is called on behalf of the file either: a forged ``dtype`` could make it take bytes for addresses.
"""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np

from .pickle_scan import scan

#: Types that ``args`` may hold.
PLAIN = (str, int, float, bool, type(None))


class _Sealed(type):
    """Classes that a pickle's BUILD instruction can't change."""

    def __setattr__(cls, name: str, value: Any) -> NoReturn:
        raise pickle.UnpicklingError(f"the file tries to set {cls.__name__}.{name}")


class DType(metaclass=_Sealed):
    """Stands for ``numpy.dtype``: numbers of one to eight bytes, nothing else."""

    __slots__ = ("order", "spec")

    def __init__(self, spec: Any, align: Any = False, copy: Any = True) -> None:
        if not (isinstance(spec, str) and re.fullmatch(r"b1|[iu][1248]|f[248]", spec)):
            what = repr(spec[:20]) if isinstance(spec, str) else type(spec).__name__
            raise pickle.UnpicklingError(f"arrays of type {what} are no weights")
        self.spec, self.order = spec, "="

    def __setstate__(self, state: Any) -> None:
        # (version, byte order, then what only structured, object and date types have)
        if not (isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "=", "|")):
            raise pickle.UnpicklingError(f"the array type {self.spec!r} has a state that is not NumPy's")
        self.order = state[1]


class NDArray(metaclass=_Sealed):
    """Stands for ``numpy.ndarray``; ``value`` is the array once its state has been read."""

    value: np.ndarray | None = None

    @property
    def array(self) -> np.ndarray:
        """The array, read-only.

        Raises:
            pickle.UnpicklingError: If the file gave it no values.
        """
        if self.value is None:
            raise pickle.UnpicklingError("an array has no values")
        return self.value

    def __setstate__(self, state: Any) -> None:
        try:
            _, shape, dtype, fortran, raw = state
            plain = isinstance(raw, bytes) and all(type(size) is int and size >= 0 for size in shape)
            if not (plain and isinstance(dtype, DType)):
                raise TypeError("not an array of numbers")
            flat = np.frombuffer(raw, np.dtype(dtype.order + dtype.spec))
            self.value = flat.reshape(shape, order="F" if fortran is True else "C")
        except (TypeError, ValueError) as error:
            raise pickle.UnpicklingError(f"an array is damaged ({error})") from error


class _Reconstruct(metaclass=_Sealed):
    """Stands for NumPy's ``_reconstruct``: makes an array that waits for its state."""

    def __new__(cls, *_: Any) -> Any:
        """An empty :class:`NDArray`."""
        return NDArray()


class _FromBuffer(metaclass=_Sealed):
    """Stands for NumPy's ``_frombuffer``, by which pickles of protocol 5 make arrays."""

    def __new__(cls, raw: Any, dtype: Any, shape: Any, order: Any = "C") -> Any:
        """The array, as an :class:`NDArray`."""
        array = NDArray()
        array.__setstate__((1, shape, dtype, order == "F", bytes(raw) if isinstance(raw, bytearray) else raw))
        return array


class _Encode(metaclass=_Sealed):
    """Stands for ``_codecs.encode``, by which pickles of protocol 2 spell bytes."""

    def __new__(cls, text: Any, encoding: Any = None) -> Any:
        """The bytes."""
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError("it spells bytes in an unknown way")
        return text.encode("latin1")


class Namespace(metaclass=_Sealed):
    """Stands for ``argparse.Namespace``: the plain values among a run's arguments."""

    values: Mapping[str, Any] = MappingProxyType({})

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("args are no table of names and values")
        self.values = plain_values(state)


#: What arrays of NumPy need, under the names of NumPy 1, too.
NUMPY: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _Reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _Reconstruct,
    ("numpy", "ndarray"): NDArray,
    ("numpy", "dtype"): DType,
}
_ALLOWED: dict[tuple[str, str], Any] = {
    **NUMPY,
    ("collections", "OrderedDict"): dict,
    ("builtins", "tuple"): tuple,
    ("__builtin__", "tuple"): tuple,
    ("numpy.core.numeric", "_frombuffer"): _FromBuffer,
    ("numpy._core.numeric", "_frombuffer"): _FromBuffer,
    ("_codecs", "encode"): _Encode,
    ("argparse", "Namespace"): Namespace,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it names {module}.{name}, which weights don't need; nothing was executed"
            ) from None


def read_pickle(path: str | Path) -> dict[str, Any]:
    """Read what ``paddle.save`` wrote, or a file of detectron2's model zoo.

    Returns:
        The file's dict. Arrays are read-only NumPy arrays, their axes the file's; the ``(name, array)`` pairs of
        PaddlePaddle's parameters have become their array; ``args`` is a dict of plain values.

    Raises:
        ValueError: If the file is truncated, no such pickle, or names anything besides arrays, tables and arguments.
    """
    try:
        with open(path, "rb") as file:
            scan(file, Path(path).stat().st_size)
            file.seek(0)
            content = _Unpickler(file).load()
        if not isinstance(content, dict):
            raise pickle.UnpicklingError(f"a {type(content).__name__}, not a table of weights")
        return _arrays(content)
    except EOFError as error:
        raise ValueError(f"{str(path)!r} can't be read as a pickle of weights: it is truncated") from error
    except Exception as error:  # a damaged pickle raises almost anything
        short = re.search("exhausted|not enough data|remain", str(error))  # pickletools' words
        what = "it is truncated" if short else str(error)[:500] or type(error).__name__
        raise ValueError(f"{str(path)!r} can't be read as a pickle of weights: {what}") from error


def plain_values(table: dict) -> dict[str, Any]:
    """The entries with plain values, or lists and tables of such."""
    return {name: value for name, value in table.items() if isinstance(name, str) and _is_plain(value)}


def _is_plain(value: Any, depth: int = 4) -> bool:
    if isinstance(value, dict):
        return depth > 0 and _is_plain(list(value), depth) and _is_plain(list(value.values()), depth)
    if isinstance(value, (list, tuple)):
        return depth > 0 and all(_is_plain(item, depth - 1) for item in value)
    return isinstance(value, PLAIN)


def _arrays(content: Any, depth: int = 2) -> Any:
    """Values in place of what stood for them, down to the entries of inner tables, where weights are."""
    if isinstance(content, tuple) and len(content) == 2 and isinstance(content[1], NDArray):
        content = content[1]
    if isinstance(content, NDArray):
        return content.array
    if isinstance(content, Namespace):
        return dict(content.values)
    if isinstance(content, dict) and depth:
        return {key: _arrays(value, depth - 1) for key, value in content.items()}
    return content
