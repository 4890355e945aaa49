"""Reading weights of any origin: files of any kind, names of any known layout."""

import ast
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config
from torch import Tensor

from .files import file_kind, read_file
from .layouts import recognise, strip_wrappers, torch_axes
from .pickles import plain_values

#: Where files keep the weights, the averaged ones first. mmengine's ``EMAHook`` puts the average under ``state_dict``.
_STATES = ("state_dict_ema", "model_ema", "state_dict", "model")
#: Plain values at the top of a checkpoint that say what it is, and tables of more.
_FACTS = ("epoch", "iteration", "arch", "architecture")
_TABLES = ("args", "metadata", "meta")


class Weights(NamedTuple):
    """Weights of any origin under our names.

    Attributes:
        state: Names to tensors, on the CPU; the backbone's begin with ``backbone.``.
        cfg: The config with which it was trained, if the checkpoint has it.
        progress: How far training was, e.g. ``epoch 12`` or ``iteration 5000``; empty if it isn't known.
        origin: What the file was taken for, e.g. ``MAE pre-training (torch file)``.
        kind: ``"torch"``, ``"old torch"``, ``"safetensors"``, ``"paddle"`` or ``"pickle"`` (detectron2's).
        layout: Short name of the file's layout: ``"ours"``, ``"vitdet"``, ``"mirl"``, ``"mae"`` or ``"vit"``.
        meta: Plain values that came along, such as ``num_heads`` of our own files, and a run's arguments.
        dropped: What of the file was left out, such as ``optimizer``, or ``roi_heads.*`` of a foreign detector.
        ema_state: Our checkpoints of a run with averaged weights: the others, as mmengine's ``EMAHook`` stores them.
    """

    state: dict[str, Tensor]
    cfg: Config | None = None
    progress: str = ""
    origin: str = ""
    kind: str = "torch"
    layout: str = "ours"
    meta: Mapping[str, Any] = {}
    dropped: tuple[str, ...] = ()
    ema_state: dict[str, Tensor] | None = None


def read_any(path: str | Path, prefix: str | None = None) -> Weights:
    """Read weights, whoever wrote them.

    Files of PyTorch (also before 1.6), safetensors, PaddlePaddle and detectron2; names of this package's models, of
    detectors and segmentors with a DeepViT, of the authors' MIRL, of MAE, of timm and of detectron2's ViTDet. Nothing
    that a file names is called, so a stranger's file can do no harm by being read.

    Args:
        path: The file.
        prefix: What the names of the wanted part begin with in the file, such as ``encoder.``; it is taken off, and the
            rest of the file is left. ``backbone.`` needs no mention.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated, no weight file, or of an unknown layout.
    """
    content = read_file(path)
    kind = file_kind(path)
    key = next((key for key in _STATES if isinstance(content.get(key), dict)), None)
    arrays = np.ndarray if kind == "pickle" else Tensor
    state: Any = {name: value for name, value in content.get(key, content).items() if isinstance(value, arrays)}
    if not state:
        raise ValueError(f"{str(path)!r} holds no weights: expected a state dict, or one under 'state_dict' or 'model'")
    tensors = strip_wrappers(state)
    if prefix and prefix.rstrip(".") != "backbone":
        start = f"{prefix.rstrip('.')}."
        tensors = {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
    try:
        layout = recognise(tensors)
        if kind == "pickle" and layout.name != "vitdet":
            kind, tensors = "paddle", torch_axes(tensors)
        renamed = layout.rename(tensors)
    except ValueError as error:
        raise ValueError(f"{str(path)!r} can't be used: {error}") from error
    kept = {key, "ema_state_dict", *_FACTS, *_TABLES} if key else set(content)
    meta = _plain_meta(content) if key else {}
    left_out = [f"{start}*" for start in layout.leaves_out if any(name.startswith(start) for name in tensors)]
    return Weights(
        renamed,
        _config(meta.pop("cfg", None)),
        _progress(meta),
        f"{layout.title} ({kind} file)",
        kind,
        layout.name,
        meta,
        (*(str(name) for name in content if name not in kept), *left_out),
        content.get("ema_state_dict"),
    )


def _plain_meta(content: Mapping[Any, Any]) -> dict[str, Any]:
    """Plain values of a checkpoint: ours lie under ``meta``, others' under ``args`` or at the top."""
    meta = plain_values({key: content[key] for key in _FACTS if key in content})
    for table in _TABLES:
        if isinstance(content.get(table), dict):
            meta |= plain_values(content[table])
    return meta


def _progress(meta: Mapping[str, Any]) -> str:
    """``epoch 12``; ``iteration 5000`` of a run that counted no epochs, for which mmengine writes epoch 0."""
    epoch, iteration = meta.get("epoch"), meta.get("iter", meta.get("iteration"))
    if iteration is not None and epoch in (None, 0, "0"):  # text where a file was imported
        return f"iteration {iteration}"
    return "" if epoch is None else f"epoch {epoch}"


def _config(text: Any) -> Config | None:
    """The config in a checkpoint; None if there is none, or one of more than values, as another package's may be."""
    if not isinstance(text, str):
        return None
    with suppress(ValueError):
        cfg = parse_config(text)
        # Earlier versions' --compile was a setting of the backbone.
        (cfg.get("model", {}).get("backbone") or {}).pop("compile_blocks", None)
        return cfg
    return None


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
