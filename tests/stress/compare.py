"""Whether two checkpoints hold the same, to the bit: all but times, names of runs and paths."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from mirl_mm.checkpoint.training_state import read_whole

#: Parts of a checkpoint that tell of the clock, or of where the run is.
_OTHER = {"time", "experiment_name", "cfg", "eta", "exp_name", "config", "mmengine_version"}  # with the commit
_PATHS = ("last_ckpt", "best_ckpt")


def differences(ours: Path, theirs: Path) -> list[str]:
    """Where two checkpoints differ."""
    return _differ(read_whole(ours), read_whole(theirs), ours.name)


def folder_differences(ours: Path, reference: Path) -> list[str]:
    """Where the checkpoints of a run differ from those of the reference, which must all be there."""
    found = []
    for path in sorted(reference.glob("*.pth")):
        if not (ours / path.name).is_file():
            found.append(f"{path.name} is missing")
        else:
            found += differences(ours / path.name, path)
    return found


def _differ(a: Any, b: Any, place: str) -> list[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [key for key in {**a, **b} if not _is_other(key)]
        missing = [f"{place}.{key}" for key in keys if (key in a) != (key in b)]
        return missing + [each for key in keys if key in a and key in b for each in _at(a, b, key, place)]
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b):
            return [f"{place} ({len(a)} and {len(b)})"]
        return [each for i, pair in enumerate(zip(a, b, strict=True)) for each in _differ(*pair, f"{place}[{i}]")]
    return [] if _same(a, b) else [f"{place} ({str(a)[:40]} and {str(b)[:40]})"]


def _at(a: dict, b: dict, key: Any, place: str) -> list[str]:
    if str(key).startswith(_PATHS) and isinstance(a[key], str) and isinstance(b[key], str):
        return _differ(Path(a[key]).name, Path(b[key]).name, f"{place}.{key}")
    return _differ(a[key], b[key], f"{place}.{key}")


def _is_other(key: Any) -> bool:
    return key in _OTHER or str(key).endswith(("time", "img_per_s", "/memory"))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, HistoryBuffer):
        return all(np.array_equal(x, y, equal_nan=True) for x, y in zip(a.data, b.data, strict=True))
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.view(-1), b.view(-1))
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    return type(a) is type(b) and bool(a == b)
