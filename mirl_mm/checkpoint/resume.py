"""mmengine's checkpoints, read whole, to go on from them."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch.serialization import safe_globals

from .latest import check_checkpoint
from .layouts import from_ours


def _statistic(owner: Any, name: Any) -> Any:
    """Stands for ``getattr``, by which a buffer of the log names its methods."""
    if owner is not HistoryBuffer or name not in ("min", "max", "mean", "current"):
        raise pickle.UnpicklingError(f"GLOBAL builtins.getattr of {owner!r} and {name!r}")
    return getattr(owner, name)


def _numpy_globals() -> list[Any]:
    """What arrays and numbers of NumPy need, under the names of NumPy 1, too."""
    array, number = np.empty(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    old = [(array, "numpy.core.multiarray._reconstruct"), (number, "numpy.core.multiarray.scalar")]
    return [array, number, *old, np.ndarray, np.dtype, *{type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}]


def read_whole(path: str | Path, map_location: Any = None) -> dict[str, Any]:
    """Read all of a training's checkpoint: weights, optimiser, schedules, and the log so far.

    torch's restricted reader (``weights_only``) takes only tensors, plain values, arrays and mmengine's log. (mmengine
    itself would then read the file again without restriction, which runs whatever the file names.)

    Args:
        path: The file.
        map_location: Where tensors go; see ``torch.load``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated, or names anything else.
    """
    check_checkpoint(path)
    try:
        with safe_globals([HistoryBuffer, (_statistic, "builtins.getattr"), *_numpy_globals()]):
            checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        lines = str(error).splitlines()
        reason = next((line.strip() for line in lines if "GLOBAL" in line), lines[0])  # after advice to trust the file
        raise ValueError(
            f"can't resume from {str(path)!r}: it holds more than tensors, plain values and a log: {reason} Go on from "
            "its weights alone with --load-from; a class of your own that is saved in the run has to be allowed by "
            "torch.serialization.add_safe_globals"
        ) from error
    renamed = {key: from_ours(checkpoint[key]) for key in ("state_dict", "ema_state_dict") if key in checkpoint}
    return {**checkpoint, **renamed}
