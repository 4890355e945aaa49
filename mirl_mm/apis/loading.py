"""Reading checkpoints of any origin without running anything that is in them."""

import ast
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from mirl_mm.checkpoint.latest import check_checkpoint


class Weights(NamedTuple):
    """What inference needs of a checkpoint.

    Attributes:
        state: Names to tensors, on the CPU.
        cfg: The config with which it was trained, if the checkpoint has it.
        progress: How far training was, e.g. ``epoch 12``; empty if it isn't known.
    """

    state: dict[str, Tensor]
    cfg: Config | None
    progress: str


class _Inert:
    """Stands for whatever a checkpoint holds besides tensors and plain values, such as the log of the run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def read_weights(path: str | Path) -> Weights:
    """Read a checkpoint's weights and config.

    A training checkpoint also holds the run's log, as objects of mmengine and NumPy, and a config, as Python text. Here
    torch's restricted reader (``weights_only``) puts empty stand-ins in place of the objects, and the config is parsed
    as a table of values. Nothing that a file names is called, so a stranger's file can do no harm by being read.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated or no checkpoint.
    """
    path = check_checkpoint(path)
    try:
        with safe_globals([(_Inert, name) for name in get_unsafe_globals_in_checkpoint(path)]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # zip, pickle and torch have an exception type each
        lines = str(error).splitlines() or [type(error).__name__]
        reason = next((line for line in lines if "GLOBAL" in line), lines[0])  # after torch's advice to trust the file
        raise ValueError(f"{str(path)!r} can't be read as a checkpoint: {reason}") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else {}
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(f"{str(path)!r} holds no weights: expected a state dict, or one under 'state_dict'")
    meta = content.get("meta", {})
    text, epoch = meta.get("cfg"), meta.get("epoch")
    return Weights(
        tensors, parse_config(text) if isinstance(text, str) else None, f"epoch {epoch}" if epoch is not None else ""
    )


def parse_config(text: str) -> Config:
    """A config from the text of one that has been resolved: only values and ``dict(...)``, nothing is run.

    Raises:
        ValueError: If there is more in it than values.
    """
    try:
        assignments = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
        return Config({node.targets[0].id: _value(node.value) for node in assignments})  # type: ignore[attr-defined]
    except (ValueError, SyntaxError, AttributeError) as error:
        raise ValueError(
            f"the checkpoint's config is not a table of plain values ({error}): give the config file itself"
        ) from error


def _value(node: ast.expr) -> Any:
    """As ``ast.literal_eval``, and ``dict(key=value)``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return {keyword.arg: _value(keyword.value) for keyword in node.keywords}
    if isinstance(node, ast.Dict):
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values, strict=True) if key}
    if isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    return ast.literal_eval(node)
