"""The length of a training in epochs or iterations; schedule and intervals follow it."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.logging import print_log

from mirl_mm.config import listed

from .launch import count_images

#: What a warm-up may take of a shorter run in any case, and what an interval that does not fit into it becomes, as in
#: ``configs/det/custom_coco.py``.
TENTH = 0.1
#: Parameters of mmengine's schedules, and of ours, that are steps.
STEPS = ("warmup", "begin", "end", "milestones", "T_max", "step_size")
#: What of a config :func:`set_length` changes.
_CHANGED = ("train_cfg", "param_scheduler", "default_hooks", "custom_hooks")


def set_length(
    cfg: Config, epochs: int | None = None, iters: int | None = None, given: Mapping[str, Any] | None = None
) -> None:
    """Give a training another length, and let schedule and intervals follow; what changes is printed.

    - The schedule is as long as the training; shares of it, and steps such as milestones, keep their places.
    - A warm-up that is a number of steps stays that, but gets no larger a share of a shorter run than it has in the
      config, or than a tenth if that is more. (Of mmengine's schedules, what ends in the first tenth is a warm-up.)
    - Intervals of validation, checkpoints and pictures that are longer than the run become a tenth of it. A log has at
      least ten lines.
    - Epochs of a loop that counts iterations are converted by the number of training images, rounded up to whole
      updates of the weights.

    With the config's own length, nothing changes.

    Args:
        cfg: The config, with the data and the batch size that it will be trained with.
        epochs: The new length in epochs.
        iters: The new length in iterations, for loops that count them.
        given: Dotted keys to values that were asked for by name and are in ``cfg`` already: they stay.

    Raises:
        ValueError: For both, or a length that is not positive; for iterations where the loop counts epochs; if
            ``given`` has a length, too.
    """
    if epochs is None and iters is None:
        return
    given = given or {}
    flag, unit = _check(cfg, epochs, iters, given)
    key = f"max_{unit}"
    old, new, note = cfg.train_cfg[key], iters or epochs or 0, ""
    if epochs is not None and unit == "iters":
        new, note = iterations(cfg, epochs)
    cfg.train_cfg[key] = new
    changes = [f"{flag} {epochs or iters}: {note}train_cfg.{key} = {new} (was {old})"]
    if new != old:
        changes += _fit_schedule(cfg, old, new, unit)
    if new < old:
        changes += _fit_intervals(cfg, new, unit)
    cfg.merge_from_dict({name: value for name, value in given.items() if name.split(".")[0] in _CHANGED})
    print_log(", ".join(changes), logger="current")


def iterations(cfg: Config, epochs: int) -> tuple[int, str]:
    """Steps that ``epochs`` of the training images are, in whole updates of the weights; and how this was computed."""
    images = count_images(cfg)
    batch = cfg.train_dataloader.batch_size * get_world_size()
    update = _accumulated(cfg)
    steps = math.ceil(epochs * images / (batch * update)) * update
    return steps, f"of {images} images in batches of {batch}, "


def _check(cfg: Config, epochs: int | None, iters: int | None, given: Mapping[str, Any]) -> tuple[str, str]:
    """Refuse what can't be; returns what was asked for, and what the loop counts, ``epochs`` or ``iters``."""
    if epochs is not None and iters is not None:
        raise ValueError(f"--epochs {epochs} and --iters {iters}: give one of them")
    flag, value = ("--iters", iters) if epochs is None else ("--epochs", epochs)
    if value is None or value < 1:
        raise ValueError(f"{flag} {value}: a training has at least 1")
    loop = cfg.get("train_cfg") or {}
    unit = next((unit for unit in ("epochs", "iters") if f"max_{unit}" in loop), None)
    if unit is None:
        raise ValueError(f"{flag} {value}: the config's train_cfg has neither max_epochs nor max_iters")
    if iters is not None and unit == "epochs":
        raise ValueError(f"--iters {iters}: this config's training counts epochs ({loop['max_epochs']}): give --epochs")
    whole = given.get("train_cfg")
    named = {f"train_cfg.{name}" for name in (whole if isinstance(whole, Mapping) else ())} | set(given)
    if twice := named & {"train_cfg.max_epochs", "train_cfg.max_iters"}:
        raise ValueError(f"{flag} {value} and {twice.pop()} of --cfg-options: give one of them")
    return flag, unit


def _fit_schedule(cfg: Config, old: int, new: int, unit: str) -> Iterator[str]:
    for schedule in listed(cfg.get("param_scheduler")):
        if schedule.get("by_epoch", True) != (unit == "epochs"):
            continue  # counts what the loop does not
        for name in filter(schedule.get, STEPS):
            before = schedule[name]
            if name == "warmup":
                after = schedule[name] = _share(before, old, new)
                steps = after * new if after < 1 else after
                yield f"warm-up of {steps:.4g} {unit}" + (f" (was {before:g})" if after != before else "")
            else:
                many = isinstance(before, (list, tuple))
                schedule[name] = [_moved(step, old, new) for step in before] if many else _moved(before, old, new)
                if schedule[name] != before:
                    yield f"{schedule['type']}.{name} = {schedule[name]} (was {before})"


def _share(warmup: float, old: int, new: int) -> float:
    """A warm-up in another length: as many steps, but no larger a share than it has or a tenth; a share stays."""
    most = max(TENTH, warmup / old)
    return warmup if warmup < 1 or warmup <= most * new else most


def _moved(step: float, old: int, new: int) -> float:
    """A step of a schedule in another length; shares of it stay."""
    if step < 1:
        return step
    if step in (old, old + 1):  # the end, or one behind it
        return new + step - old
    return max(round(min(step, TENTH * new) if step <= TENTH * old else step * new / old), 1)


def _fit_intervals(cfg: Config, new: int, unit: str) -> Iterator[str]:
    by_epoch = unit == "epochs"
    hooks: Any = cfg.get("default_hooks") or {}
    holders: list[tuple[str, Any, str, float]] = [("train_cfg", cfg.train_cfg, "val_interval", new)]
    if hooks.get("checkpoint"):
        holders.append(("checkpoint", hooks["checkpoint"], "interval", new))
    if hooks.get("logger") and not by_epoch:
        holders.append(("logger", hooks["logger"], "interval", TENTH * new))
    for hook in cfg.get("custom_hooks") or []:
        holders.append((hook["type"], hook, "interval", new))
    update = 1 if by_epoch else _accumulated(cfg)
    shorter = math.ceil(TENTH * new / update) * update
    for place, holder, name, longest in holders:
        counts_the_same = place in ("train_cfg", "logger") or holder.get("by_epoch", True) == by_epoch
        default = 1000 if place == "train_cfg" and not by_epoch else 0  # mmengine's
        before = holder.get(name, default)
        if counts_the_same and isinstance(before, int) and before > longest:
            holder[name] = shorter
            yield f"{place}.{name} = {shorter} (was {before})"


def _accumulated(cfg: Config) -> int:
    return (cfg.get("optim_wrapper") or {}).get("accumulative_counts", 1)
