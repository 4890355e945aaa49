"""A summary of a training's resolved settings, for the log."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.device import get_device
from mmengine.runner import Runner

from mirl_mm.config import FOLDER, PREFIX
from mirl_mm.text import counted, short_path

from .derive_from_datasets import data_sets
from .hooks.unwrapped import unwrapped_model
from .resume_checkpoint import DAMAGED

#: Share of trained parameters from which a model is taken to be trained as a whole: fixed positions are none.
_ALL = 0.99


def training_summary(runner: Runner) -> str:
    """Settings of a training that is about to start, as they were resolved: a line for each kind.

    The runner's training loop is built, by which nothing else is.
    """
    cfg = runner.cfg
    lines = {
        "config": f"{_name(cfg.filename)}; all settings are saved in '{short_path(runner.work_dir)}'",
        "data": _data(runner),
        "model": _model(runner),
        "start": _start(runner),
        "length": _length(runner),
        "updates": _updates(runner),
    }
    width = max(map(len, lines))
    return "\n".join(["training", *(f"  {name:<{width}}  {line}" for name, line in lines.items())])


def _name(file: str | None) -> str:
    path = Path(file or "given in Python")
    return PREFIX + path.relative_to(FOLDER).as_posix() if path.is_relative_to(FOLDER) else f"'{path}'"


def _data(runner: Runner) -> str:
    train = runner.train_loop.dataloader.dataset
    classes = (getattr(train, "metainfo", None) or {}).get("classes")
    root = next(data_sets(runner.cfg))[1].get("data_root") or "."
    parts = [f"{counted(len(train), 'image')} of '{root}'"]
    if classes:
        parts.append(counted(len(classes), "class", "classes"))
    parts.append("with validation" if runner._val_loop is not None else "no validation")
    return ", ".join(parts)


def _model(runner: Runner) -> str:
    model = unwrapped_model(runner)
    backbone: Mapping[str, Any] = runner.cfg.model.get("backbone") or {}
    arch = backbone.get("arch") or backbone.get("model_name")
    size = backbone.get("img_size")
    parts = [type(model).__name__]
    if isinstance(arch, Mapping):
        parts.append(f"{arch.get('depth')} blocks of width {arch.get('embed_dims')}")
    elif arch:
        parts.append(str(arch))
    if size:
        parts.append("x".join(map(str, size)) + " pixels" if isinstance(size, (list, tuple)) else f"{size} pixels")
    sizes = [(parameter.numel() / 1e6, parameter.requires_grad) for parameter in model.parameters()]
    millions, trained = sum(size for size, _ in sizes), sum(size for size, trains in sizes if trains)
    parts.append(f"{millions:.3g} M parameters")
    if trained < _ALL * millions:
        parts.append(f"{trained:.3g} M of them trained ({trained / millions:.2%})")
    return ", ".join(parts)


def _start(runner: Runner) -> str:
    if runner.cfg.get("load_from"):
        if not runner.cfg.get("resume"):
            return f"all weights of {short_path(runner.cfg.load_from)}"
        damaged = sorted(path.name for path in Path(runner.cfg.load_from).parent.glob(f"*{DAMAGED}"))
        return f"resumed from {short_path(runner.cfg.load_from)}" + "".join(f", not from {name}" for name in damaged)
    init = (runner.cfg.model.get("backbone") or {}).get("init_cfg")
    checkpoint = init.get("checkpoint") if isinstance(init, Mapping) else None
    return f"backbone of {short_path(checkpoint)}" if checkpoint else "random weights"


def _length(runner: Runner) -> str:
    loop = runner.train_loop
    epochs = f"{counted(loop.max_epochs, 'epoch')}, " if "max_epochs" in runner.cfg.train_cfg else ""
    return f"{epochs}{counted(loop.max_iters, 'iteration')}, seed {runner.seed}"


def _updates(runner: Runner) -> str:
    cfg = runner.cfg
    steps = cfg.optim_wrapper.get("accumulative_counts", 1)
    batch = cfg.train_dataloader.batch_size * runner.world_size
    images = f"{batch} images" + (f" x {steps} steps" if steps > 1 else "")
    optimizer = cfg.optim_wrapper.optimizer
    precision = "bfloat16" if "Bf16" in str(cfg.optim_wrapper.get("type")) else "float32"
    machine = get_device() + (f" x {runner.world_size}" if runner.world_size > 1 else "")
    return f"{images}, {optimizer.type} at {optimizer.lr:.3g}, {precision}, on {machine}"
