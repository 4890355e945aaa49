"""mmengine's checkpoints, read whole, to go on from them."""

import pickle
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor
from torch.serialization import safe_globals

from .integrity import check_checkpoint
from .key_maps import from_ours
from .numpy_pickles import NUMPY, DType, NDArray
from .safe_load import check_tensor, reason, scan_file
from .top_level_keys import EMA_STATE, NEEDED, OPTIONAL, STATE

_WAY = "go on from an earlier checkpoint, or from its weights alone with --load-from"


class _History:
    """Stands for mmengine's ``HistoryBuffer``: the numbers of a log."""

    def __setstate__(self, state: Any) -> None:
        log, counts, length = (state[key] for key in ("_log_history", "_count_history", "max_length"))
        if not (isinstance(log, NDArray) and isinstance(counts, NDArray) and type(length) is int):
            raise pickle.UnpicklingError("a log is damaged")
        self.parts = log, counts, length


class _Scalar:
    """Stands for NumPy's ``scalar``, which makes a number of its bytes."""

    def __new__(cls, kind: Any, raw: Any) -> Any:
        """An array of that one number."""
        if not isinstance(kind, DType):
            raise pickle.UnpicklingError("a number is damaged")
        number = NDArray()
        number.__setstate__((1, (), kind, False, raw))
        return number


def _statistic(owner: Any, name: Any) -> str:
    """Stands for ``getattr``, by which a buffer of the log names its methods."""
    if owner is not _History or name not in ("min", "max", "mean", "current"):
        raise pickle.UnpicklingError(f"GLOBAL builtins.getattr of {owner!r:.60} and {name!r:.60}")
    return name


_STAND_INS: list[Any] = [
    (_History, "mmengine.logging.history_buffer.HistoryBuffer"),
    (_statistic, "builtins.getattr"),
    *((_Scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((stand_in, ".".join(name)) for name, stand_in in NUMPY.items()),
]


def read_whole(path: str | Path, map_location: Any = None) -> dict[str, Any]:
    """Read all of a training's checkpoint: weights, optimiser, schedules, and the log so far.

    torch's restricted reader (``weights_only``) takes only tensors, plain values, and, by stand-ins that check them,
    arrays and mmengine's log. (mmengine itself would then read the file again without restriction, which runs whatever
    the file names; and it would run a config kept under ``meta["config"]``, which is taken out here.)

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, names anything else, or is no checkpoint of a training.
    """
    path = check_checkpoint(path)
    try:
        scan_file(path)
        with safe_globals(_STAND_INS):
            checkpoint = torch.load(path, map_location=map_location, weights_only=True)
        checkpoint = _settled(checkpoint, {})
        _check_parts(checkpoint)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"can't resume from {str(path)!r}: it holds more than tensors, plain values and a log: {reason(error)} Go "
            "on from its weights alone with --load-from; a class of your own that is saved in the run has to be "
            "allowed by torch.serialization.add_safe_globals"
        ) from error
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a damaged file raises almost anything
        raise ValueError(f"can't resume from {str(path)!r}: {reason(error)}: {_WAY}") from error
    checkpoint["meta"].pop("config", None)
    renamed = {key: from_ours(checkpoint[key]) for key in (STATE, EMA_STATE) if key in checkpoint}
    return {**checkpoint, **renamed}


def _settled(value: Any, done: dict[int, Any], name: str = "") -> Any:
    """Values in place of what stood for them, and tensors checked; tables and lists are changed in place."""
    if id(value) in done:
        return done[id(value)]
    result = value
    if isinstance(value, Tensor):
        check_tensor(name, value)
    elif isinstance(value, NDArray):
        result = value.array.copy() if value.array.ndim else value.array[()]
    elif isinstance(value, _History):
        log, counts, length = value.parts
        result = HistoryBuffer(max_length=length)
        result._log_history, result._count_history = log.array.copy(), counts.array.copy()
    elif isinstance(value, dict):
        for key in value:
            value[key] = _settled(value[key], done, str(key))
    elif isinstance(value, list):
        value[:] = [_settled(item, done, name) for item in value]
    elif isinstance(value, tuple):
        settled = [_settled(item, done, name) for item in value]
        result = value if all(new is old for new, old in zip(settled, value, strict=True)) else tuple(settled)
    done[id(value)] = result
    return result


def _check_parts(checkpoint: Any) -> None:
    """Refuse what is no checkpoint of mmengine's runner.

    Raises:
        ValueError: With what is wrong.
    """
    if not isinstance(checkpoint, dict):
        raise ValueError(f"it holds a {type(checkpoint).__name__}, no table")
    wrong = [name for name in (*NEEDED, *OPTIONAL) if not isinstance(checkpoint.get(name, {}), dict)]
    wrong += [name for name in NEEDED if name not in checkpoint]
    if wrong:
        raise ValueError(f"it is no checkpoint of a training, its {', '.join(dict.fromkeys(wrong))} is missing")
    for table in (STATE, EMA_STATE):
        if not all(isinstance(name, str) for name in checkpoint.get(table, {})):
            raise ValueError(f"names in its {table} are no text")
    if not all(isinstance(checkpoint["meta"].get(name), int) for name in ("epoch", "iter")):
        raise ValueError("it does not tell its epoch and iteration")
    hub = checkpoint["message_hub"]
    if not all(isinstance(hub.get(name), dict) for name in ("log_scalars", "runtime_info", "resumed_keys")):
        raise ValueError("its log is no table")
