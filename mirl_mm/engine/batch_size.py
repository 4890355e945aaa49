"""``--batch-size``: images of a step, as asked for, or as fit the memory with gradient accumulation."""

import copy
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import all_gather_object, get_world_size, is_main_process
from mmengine.logging import print_log

import mirl_mm
from mirl_mm.config import listed
from mirl_mm.file_backend import write_file

from .launch import drop_validation, prepare
from .training_length import STEPS

GIB = 2**30
#: What asks for as many images as fit.
AUTO = "auto"
#: In the work dir: images of a step, steps of an update; a resumed run needs the same.
KEPT = "batch_size"


def set_batch_size(cfg: Config, batch_size: int) -> None:
    """Let each process take so many images in a step; ``auto_scale_lr`` adapts the learning rate.

    Raises:
        ValueError: If it is not positive.
    """
    if batch_size < 1:
        raise ValueError(f"--batch-size {batch_size}: a step has at least 1 image; or give auto")
    cfg.train_dataloader.batch_size = batch_size


def fit_batch_size(cfg: Config) -> None:
    """Make a step as large as the memory allows and no larger than an update, which stays what it is in the config.

    An update has ``batch_size`` x ``accumulative_counts`` images in each process. Of its divisors, the largest whose
    training steps fit becomes the batch size, and the update is accumulated of so many steps. Lengths in steps follow,
    so that the number of updates stays. It is tried in a process of its own, with the config's model, optimiser and
    images, on the device of the training; with several processes, the least counts. A resumed run keeps its size.
    What is chosen, and why, is printed.

    Args:
        cfg: The config, with its ``work_dir``; changed in place. Processes are joined, if there are several.

    Raises:
        ValueError: If a resumed run had another size, or none that is known.
        RuntimeError: If not even the smallest step can be taken.
    """
    prepare(cfg, ["train_dataloader"])
    loader, accumulated = cfg.train_dataloader, cfg.optim_wrapper.get("accumulative_counts", 1)
    images = loader.batch_size * accumulated
    kept = Path(cfg.work_dir) / KEPT
    if cfg.get("resume"):
        batch, why = _resumed(kept, images), "as before the interruption"
    else:
        tries = _try(cfg, images)
        batch = min(all_gather_object(_chosen(tries)))
        why = _told(tries, batch < loader.batch_size)
    updates = images // batch if images % batch == 0 else max(round(images / batch), 1)
    scale_steps(cfg, Fraction(updates, accumulated))
    loader.batch_size, cfg.optim_wrapper.accumulative_counts = batch, updates
    if is_main_process():
        write_file(kept, f"{batch} {updates}\n")
    update = f"{updates} x {batch * get_world_size()} images"
    exact = "the config's update" if batch * updates == images else f"the config has {images * get_world_size()}"
    print_log(f"batch size {batch}: an update of {update}, {exact}; {why}", logger="current")


def scale_steps(cfg: Config, factor: Fraction) -> None:
    """Multiply what a config counts in steps, where an update takes ``factor`` times as many; epochs stay.

    Length, validation interval, schedules, and intervals of hooks other than the log's.
    """
    if factor == 1:
        return
    for holder, key in _steps(cfg):
        value = holder[key]
        if isinstance(value, (list, tuple)):
            holder[key] = [_scaled(each, factor) for each in value]
        elif key == "end":  # mmengine's schedules are at their end one step before
            holder[key] = _scaled(value - 1, factor) + 1
        else:
            holder[key] = _scaled(value, factor)


def _scaled(value: float, factor: Fraction) -> float:
    return value if value < 1 else max(round(value * factor), 1)


def _steps(cfg: Config) -> Iterator[tuple[Any, str]]:
    loop: Any = cfg.get("train_cfg") or {}
    if loop.get("max_iters"):
        yield from ((loop, key) for key in ("max_iters", "val_interval", "val_begin") if loop.get(key))
    hooks: Any = [*(cfg.get("default_hooks") or {}).values(), *(cfg.get("custom_hooks") or [])]
    for each in listed(cfg.get("param_scheduler")):
        if not each.get("by_epoch", True):
            yield from ((each, key) for key in STEPS if each.get(key))
    for hook in hooks:
        if isinstance(hook, Mapping) and hook.get("by_epoch") is False and (hook.get("interval") or -1) > 0:
            yield hook, "interval"


def _resumed(kept: Path, images: int) -> int:
    if not kept.is_file():
        raise ValueError(
            f"--batch-size auto: the run in '{kept.parent}' was not started with it, and its steps must stay what they "
            "were: resume it without"
        )
    batch, updates = map(int, kept.read_text().split())
    if abs(batch * updates - images) >= batch:
        raise ValueError(
            f"--batch-size auto: the resumed run has {updates} x {batch} images of an update in each process "
            f"('{kept}'), the config {images}: take the config and the number of processes that it was started with"
        )
    return batch


def _try(cfg: Config, images: int) -> list[dict[str, Any]]:
    """What :class:`~mirl_mm.engine.batch_size_search.BatchTrial` writes; its last line tells why there is no other."""
    processes = get_world_size()
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    settings = {"images": images, "processes": processes, "shared_memory": here, "free": free_memory()}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        trial_config(cfg, place / "run").dump(place / "config.py")
        (place / "settings.json").write_text(json.dumps(settings))
        command = [sys.executable, "-m", "mirl_mm.engine.batch_size_search", folder]
        done = subprocess.run(command, env=_environment(), capture_output=True, text=True)
        out = place / "tries.jsonl"
        lines = out.read_text().splitlines() if out.is_file() else []
    tries = [json.loads(line) for line in lines]
    if done.returncode:
        ended = f"ended with {done.returncode}"
        tries.append({"error": done.stderr.strip()[-2000:] or ended, "fits": False, "ended": ended})
    return tries


def trial_config(cfg: Config, work_dir: Path) -> Config:
    """The config of what is tried: one process, an update at each step, and nothing that takes no memory."""
    trial = copy.deepcopy(cfg)
    drop_validation(trial)
    trial.test_dataloader = trial.test_cfg = trial.test_evaluator = None
    trial.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False, drop_last=False)
    trial.train_dataloader.pop("prefetch_factor", None)
    trial.optim_wrapper.accumulative_counts = 1
    trial.work_dir, trial.launcher, trial.runner_type = str(work_dir), "none", "Runner"
    trial.load_from, trial.resume, trial.log_level = None, False, "WARNING"
    trial.param_scheduler = None
    trial.custom_hooks = [hook for hook in cfg.get("custom_hooks") or [] if "EMA" in str(hook.get("type"))]  # a model
    trial.compile = None  # each size would be compiled anew
    trial.visualizer = {"type": "Visualizer", "vis_backends": []}
    (trial.model.get("backbone") or {}).pop("init_cfg", None)
    return trial


def _environment() -> dict[str, str]:
    """Of the tried process: the same package, and the GPU of this one."""
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(mirl_mm.__file__).parents[1]), env.get("PYTHONPATH")]))
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        device = torch.cuda.current_device()
        seen = env.get("CUDA_VISIBLE_DEVICES")
        env["CUDA_VISIBLE_DEVICES"] = seen.split(",")[device] if seen else str(device)
    return env


def _chosen(tries: list[dict[str, Any]]) -> int:
    """The largest size that fits.

    Raises:
        RuntimeError: If none does.
    """
    fitting = [each["size"] for each in tries if each.get("size") and each["fits"]]
    if not fitting:
        errors = [each["error"] for each in tries if "error" in each]
        raise RuntimeError(
            f"--batch-size auto: not even the smallest step can be taken: {_told(tries, False) or 'nothing was tried'}"
            + (f"; {errors[-1]}" if errors else "")
            + ". Less memory: docs/troubleshooting.md"
        )
    return max(fitting)


def _told(tries: list[dict[str, Any]], smaller: bool) -> str:
    """The sizes that were tried, in a line."""
    sizes = []
    for each in tries:
        if "size" in each:
            fit = "" if each["fits"] else " can't be" if "error" in each else " is too much"
            sizes.append(f"{each['size']}{fit}" + (f" ({each['bytes'] / GIB:.2f} GiB)" if each.get("bytes") else ""))
    first = tries[0] if tries and "budget" in tries[0] else {}
    budget = f" of {first['budget'] / GIB:.2f} GiB" if first else ""
    ended = "".join(f"; the process {each['ended']}" for each in tries if "ended" in each)
    norm = "; batch norm averages over a step, not over the update" if smaller and first.get("batch_norm") else ""
    return f"tried {', '.join(sizes)}{budget}{ended}{norm}" if sizes else ended[2:]


def free_memory() -> int:
    """Bytes that processes on the CPU may still take, of the machine and of this process's control group."""
    info = Path("/proc/meminfo")
    if not info.exists():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = int(info.read_text().partition("MemAvailable:")[2].split()[0]) * 1024
    group = Path("/sys/fs/cgroup")
    for limit, used, details in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),  # version 1
    ):
        if (group / limit).is_file() and (most := (group / limit).read_text().strip()) != "max":
            cached = int((group / details).read_text().partition("inactive_file ")[2].split()[0])
            free = min(free, int(most) - int((group / used).read_text()) + cached)
    return max(free, 0)
