"""Reading weights of any origin: files of any kind, names of any known layout."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config
from torch import Tensor

from .config_text import parse_config
from .key_maps import recognise, strip_wrappers, torch_axes, unwrapped
from .numpy_pickles import plain_values
from .safe_load import check_tensor, file_kind, read_file
from .top_level_keys import ANY_STATE, EMA_STATE, FACT_TABLES, FACTS

#: Tensors may share their numbers, as tied weights do: bytes that a file of so many may stand for.
_TIMES, _ALWAYS = 4, 64 << 20


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
            rest of the file is left. ``backbone.``, and what wrappers put before and into names (``module.``,
            ``_orig_mod.``), need no mention.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated, no weight file, or of an unknown layout.
    """
    content = read_file(path)
    kind = file_kind(path)
    key = next((key for key in ANY_STATE if isinstance(content.get(key), dict)), None)
    arrays = np.ndarray if kind == "pickle" else Tensor
    try:
        limit = _TIMES * Path(path).stat().st_size + _ALWAYS
        state: Any = _tensors(content.get(key, content), arrays, limit)
        ema_state = content.get(EMA_STATE)
        ema_state = _tensors(ema_state, arrays, limit) if isinstance(ema_state, dict) else None
    except ValueError as error:
        raise ValueError(f"{str(path)!r} can't be used: {error}") from error
    if not state:
        raise ValueError(f"{str(path)!r} holds no weights: expected a state dict, or one under 'state_dict' or 'model'")
    try:
        tensors = strip_wrappers(state)
        start = f"{unwrapped(prefix or '').rstrip('.')}."
        if start not in (".", "backbone."):
            tensors = {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
        layout = recognise(tensors)
        if kind == "pickle" and layout.name != "vitdet":
            kind, tensors = "paddle", torch_axes(tensors)
        renamed = layout.rename(tensors)
    except ValueError as error:
        raise ValueError(f"{str(path)!r} can't be used: {error}") from error
    kept = {key, EMA_STATE, *FACTS, *FACT_TABLES} if key else set(content)
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
        (*(str(name)[:100] for name in content if name not in kept), *left_out),
        ema_state,
    )


def _tensors(table: Mapping[Any, Any], kind: type, limit: int) -> dict[str, Any]:
    """The tensors or arrays of a table that have a name.

    Raises:
        ValueError: For a tensor that is no plain numbers, or if all of them have more than ``limit`` bytes.
    """
    named = ((name, value) for name, value in table.items() if isinstance(name, str))
    found: dict[str, Any] = {name: value for name, value in named if isinstance(value, kind)}
    for name, value in found.items():
        if isinstance(value, Tensor):
            check_tensor(name, value)
    if sum(value.nbytes for value in found.values()) > limit:
        raise ValueError("its tensors are many times larger than the file")
    return found


def _plain_meta(content: Mapping[Any, Any]) -> dict[str, Any]:
    """Plain values of a checkpoint: ours lie under ``meta``, others' under ``args`` or at the top."""
    meta = plain_values({key: content[key] for key in FACTS if key in content})
    for table in FACT_TABLES:
        if isinstance(content.get(table), dict):
            meta |= plain_values(content[table])
    if not _is_dataset_meta(meta.get("dataset_meta")):
        meta.pop("dataset_meta", None)
    return meta


def _is_dataset_meta(value: Any) -> bool:
    """Whether it is a table whose classes, if it has any, are names."""
    classes = value.get("classes", ()) if isinstance(value, dict) else None
    return isinstance(classes, (list, tuple)) and all(isinstance(name, str) for name in classes)


def _progress(meta: Mapping[str, Any]) -> str:
    """``epoch 12``; ``iteration 5000`` of a run that counted no epochs, for which mmengine writes epoch 0."""
    epoch, iteration = meta.get("epoch"), meta.get("iter", meta.get("iteration"))
    if iteration is not None and epoch in (None, 0, "0"):  # text where a file was imported
        return f"iteration {str(iteration)[:20]}"
    return "" if epoch is None else f"epoch {str(epoch)[:20]}"


def _config(text: Any) -> Config | None:
    """The config in a checkpoint; None if there is none, or one of more than values, as another package's may be."""
    if not isinstance(text, str):
        return None
    with suppress(ValueError):
        cfg = parse_config(text)
        # Earlier versions' --compile was a setting of the backbone.
        if isinstance(cfg.get("model"), dict) and isinstance(cfg.model.get("backbone"), dict):
            cfg.model.backbone.pop("compile_blocks", None)
        return cfg
    return None
