"""A training from a config and options, for the command line and for Python alike."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook

from mirl_mm.checkpoint.integrity import check_checkpoint
from mirl_mm.checkpoint.safe_load import file_kind
from mirl_mm.disk_full import explain_no_space

from .batch_size import AUTO, fit_batch_size, set_batch_size
from .launch import drop_validation, finish_processes, join_processes, make_runner, prepare, set_pretrained
from .resume_checkpoint import find_resumed
from .run_lock import lock_work_dir, unlock_work_dir
from .summary import training_summary
from .trackers import add_trackers
from .training_length import set_length


def prepare_training(
    cfg: Config,
    *,
    epochs: int | None = None,
    iters: int | None = None,
    given: Mapping[str, Any] | None = None,
    batch_size: int | str | None = None,
    validate: bool = True,
    amp: bool = False,
    compile: bool = False,
    fsdp: bool = False,
    trackers: str | Sequence[str] = (),
    pretrained: str | Path | None = None,
    load_from: str | Path | None = None,
    resume: bool | str | Path = False,
) -> None:
    """Put into a config, with its ``work_dir`` set, how a training is to go, as the options of ``tools/train.py`` say.

    The processes are joined, if there are several, and the work dir, if there is one, is locked. What was set in
    ``cfg`` by name, dotted keys to values, is ``given``, and does not follow the length.

    Raises:
        FileNotFoundError: If a checkpoint is missing.
        ModuleNotFoundError: If a tracker's package is.
        ValueError: If it is none, for an unknown tracker, or for a length or a batch size that can't be.
        RuntimeError: If another run is in the work dir; with ``batch_size="auto"``, if the smallest step doesn't fit.
    """
    join_processes(cfg)
    lock_work_dir(cfg.work_dir, make=False)  # a refusal leaves no folder behind
    if not validate:
        drop_validation(cfg)
    if amp:
        cfg.optim_wrapper.type = "mirl_mm.Bf16OptimWrapper"
    if compile:
        cfg.compile = cfg.get("compile") or True
    if fsdp:
        cfg.runner_type = "mirl_mm.ShardedRunner"
    add_trackers(cfg, trackers)
    if pretrained:
        set_pretrained(cfg, str(pretrained))
    if load_from:
        file_kind(load_from)
        cfg.load_from = str(load_from)
    if resume:
        cfg.load_from = find_resumed(cfg.work_dir) if resume is True else str(check_checkpoint(resume))
        cfg.resume = cfg.load_from is not None
    if batch_size is not None and batch_size != AUTO:
        set_batch_size(cfg, int(batch_size))
    set_length(cfg, epochs, iters, given)
    if batch_size == AUTO:
        fit_batch_size(cfg)


def run_training(cfg: Config, hooks: Sequence[Hook] = ()) -> None:
    """Train a config from the start to the end of all its processes; its settings are summed up in the log.

    Args:
        cfg: The config; completed in place, as by :func:`~mirl_mm.engine.launch.build_runner`, whose errors are raised.
        hooks: What goes along without being part of the config.

    Raises:
        NoSpaceError: If the disk is full.
        RuntimeError: If another run is in the work dir.
    """
    loaders = ["train_dataloader", "val_dataloader"]
    prepare(cfg, loaders)
    lock_work_dir(cfg.work_dir)
    try:
        runner = make_runner(cfg, loaders)
        for hook in hooks:
            runner.register_hook(hook)
        runner.logger.info(training_summary(runner))
        runner.train()
        del runner
        finish_processes()
    except OSError as error:
        explained = explain_no_space(error, cfg.work_dir)
        if explained is None:
            raise
        raise explained from error
    finally:
        unlock_work_dir(cfg.work_dir)
