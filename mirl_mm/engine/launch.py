"""From a config file to a runner, with what can go wrong checked first."""

import gc
import os
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from mmengine import registry as root
from mmengine.config import Config
from mmengine.dist import get_world_size, init_dist, is_distributed
from mmengine.logging import print_log

from mirl_mm.checkpoint.safe_load import file_kind
from mirl_mm.config import LOADERS, read_config, scope_of
from mirl_mm.datasets import preflight
from mirl_mm.registry import DATASETS, RUNNERS, SCOPE, import_parts

from .activation_checkpointing import check_activation_checkpointing, checkpoint_runner
from .cfg_options import check_options
from .compilation import check_compile, compile_runner
from .derive_from_backbone import fit_to_backbone
from .derive_from_datasets import data_sets, fit_to_datasets
from .freezing import settle_freezing
from .hooks.after_update import AfterUpdateHook
from .runner import Runner
from .tasks import tasks


def load_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config file, named as for :func:`~mirl_mm.config.config_path`, and apply overrides of dotted keys.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: For an override that nothing would read.
    """
    cfg = read_config(path)
    if options:
        check_options(cfg, options)
        cfg.merge_from_dict(dict(options))
    drop_retired_hooks(cfg)
    settle_freezing(cfg)
    fit_to_backbone(cfg)
    return cfg


def drop_retired_hooks(cfg: Config) -> None:
    """Leave out hooks of earlier versions, which the configs of their runs name."""
    hooks = cfg.get("default_hooks") or {}
    for name in [name for name, hook in hooks.items() if str((hook or {}).get("type")).endswith("LoadReportHook")]:
        del hooks[name]
        print_log(f"default_hooks.{name} is left out: the runner itself reports what of a file fits", logger="current")


def build_runner(cfg: Config, loaders: Sequence[str]) -> Runner:
    """Build the runner after checking the data of the loaders that it will use, and completing the config.

    Raises:
        FileNotFoundError: If a data folder is missing (and other errors of :func:`mirl_mm.datasets.preflight`).
        ValueError: If there are fewer training images than a batch needs, or if ``compile`` or
            ``activation_checkpointing`` asks for what can't be.
    """
    prepare(cfg, loaders)
    return make_runner(cfg, loaders)


def make_runner(cfg: Config, loaders: Sequence[str]) -> Runner:
    """What :func:`build_runner` does with a config after :func:`prepare`; from here on the work dir is written to."""
    scale_lr(cfg)
    compiling = check_compile(cfg.get("compile"))
    checkpointing = check_activation_checkpointing(cfg.get("activation_checkpointing"))
    kind = RUNNERS.get(cfg.get("runner_type", "Runner"))
    runner = kind.from_cfg(cfg)
    if "train_dataloader" in loaders:
        check_epoch(runner)
        checkpoint_runner(runner, checkpointing)
        runner.register_hook(AfterUpdateHook())
        if compiling is not None:
            compile_runner(runner, **compiling)
    return runner


def prepare(cfg: Config, loaders: Sequence[str]) -> None:
    """Check these loaders' data, and complete the config by what data and machine are; done again it changes nothing.

    Raises:
        FileNotFoundError: If a data folder is missing (and other errors of :func:`mirl_mm.datasets.preflight`).
    """
    preflight({name: cfg.get(name) for name in loaders})
    fit_to_datasets(cfg)
    fit_machine(cfg)
    join_processes(cfg)


def join_processes(cfg: Config) -> None:
    """Join the other processes of a run that was launched as several, if it has not been done.

    On machines without a GPU, too, which mmengine does not expect.

    Raises:
        RuntimeError: For a launcher that needs GPUs where torch sees none.
    """
    if cfg.get("launcher", "none") == "none" or is_distributed():
        return
    if torch.cuda.is_available():
        init_dist(cfg.launcher, **cfg.env_cfg.dist_cfg)
        return
    if cfg.launcher != "pytorch":
        raise RuntimeError(f"launcher {cfg.launcher!r} needs GPUs, and torch sees none: use --launcher pytorch")
    torch.distributed.init_process_group("gloo")
    if cfg.get("sync_bn"):
        print_log("sync_bn is left out: torch synchronises batch norm between GPUs only", logger="current")
        cfg.sync_bn = None
    cfg.model_wrapper_cfg = {"type": "MMDistributedDataParallel", "device_ids": None, "broadcast_buffers": False}


def count_images(cfg: Config) -> int:
    """Images that there are to train with. Builds the data set, as some may be left out; joins the processes."""
    prepare(cfg, ["train_dataloader"])
    with scope_of(cfg):
        return len(DATASETS.build(cfg.train_dataloader.dataset))


def check_epoch(runner: Runner) -> None:
    """Refuse an epoch without a single batch, which ``drop_last`` makes of a small data set.

    Raises:
        ValueError: With the number of images and of those that a step needs.
    """
    loader = runner.train_loop.dataloader
    if len(loader) == 0:
        raise ValueError(
            f"{len(loader.dataset)} images are fewer than a batch of {loader.batch_size * runner.world_size}: "
            "take a smaller one by --batch-size, or set train_dataloader.drop_last=False"
        )


def finish_processes() -> None:
    """Destroy the process group at the end of a run that went well, when nothing refers to its runner any more.

    A communication thread that still lets go of its last tensor while the interpreter shuts down aborts the process.
    The group joins its threads when it is destroyed, for which the wrapped model, one of its owners, has to go first.
    (A failed process must not call this: it would wait for the others.)
    """
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        gc.collect()
        torch.distributed.destroy_process_group()


def set_data_root(cfg: Config, data_root: str) -> None:
    """Point every data set of a config to another folder, in wrappers, too, and metrics that read a file of the old.

    Raises:
        ValueError: If a data loader has data sets in several folders.
    """
    for name in filter(cfg.get, LOADERS):
        datasets = [dataset for _, dataset in data_sets(cfg, [name])]
        roots = sorted({dataset.get("data_root") or "" for dataset in datasets})
        if len(roots) > 1:
            raise ValueError(
                f"--data-root {data_root}: the data sets of {name} are in {len(roots)} folders "
                f"({', '.join(map(repr, roots))}): set data_root of each in the config"
            )
        for task in tasks():
            task.forget_folder(cfg, name)
        for dataset in datasets:
            dataset["data_root"] = data_root


def set_tta(cfg: Config) -> None:
    """Test each image in the versions of the config's ``tta_pipeline``, merged by its ``tta_model``.

    Raises:
        ValueError: If the config has no test-time augmentation.
    """
    missing = [key for key in ("tta_model", "tta_pipeline") if not cfg.get(key)]
    if missing:
        raise ValueError(
            f"--tta: the config has no {' and no '.join(missing)}: configs of configs/det and configs/seg have them, "
            "docs/inference.md says how to write them"
        )
    for _, dataset in data_sets(cfg, ["test_dataloader"]):
        dataset["pipeline"] = cfg.tta_pipeline
    cfg.model = {**cfg.tta_model, "module": cfg.model}


def set_pretrained(cfg: Config, checkpoint: str) -> None:
    """Let the backbone start from a checkpoint's weights.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no weight file, or the model has no backbone.
    """
    file_kind(checkpoint)
    if "backbone" not in cfg.model:
        raise ValueError(f"--pretrained is for models with a backbone, and {cfg.model.type} has none in its config")
    cfg.model.backbone.init_cfg = {"type": "Pretrained", "checkpoint": str(checkpoint), "prefix": "backbone."}


def drop_validation(cfg: Config) -> None:
    """Train without a validation set."""
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None


def scale_lr(cfg: Config) -> None:
    """Multiply the learning rate by images per update over ``auto_scale_lr.base_batch_size``.

    Images per update are processes x ``batch_size`` x ``accumulative_counts``. mmengine's own rule leaves accumulation
    out, and its log and the saved config show the rate before scaling; here the resolved rate is written into the
    config and ``auto_scale_lr`` is switched off, so a run from the saved config has the same rate.
    """
    rule = cfg.get("auto_scale_lr")
    if not (rule and rule.get("enable") and cfg.get("optim_wrapper")):
        return
    images = get_world_size() * cfg.train_dataloader.batch_size * cfg.optim_wrapper.get("accumulative_counts", 1)
    base = cfg.optim_wrapper.optimizer.lr
    cfg.optim_wrapper.optimizer.lr = base * images / rule.base_batch_size
    rule.enable = False
    print_log(
        f"lr = {base:g} per {rule.base_batch_size} images x {images} per update = {cfg.optim_wrapper.optimizer.lr:g}",
        logger="current",
    )


def fit_machine(cfg: Config) -> None:
    """Settings without influence on results that the machine decides: no GPU, no worker processes, repeatable sums."""
    has_gpu = torch.cuda.is_available()
    if not has_gpu and cfg.get("env_cfg", {}).get("dist_cfg", {}).get("backend") == "nccl":
        cfg.env_cfg.dist_cfg.backend = "gloo"
    for name in LOADERS:
        loader = cfg.get(name)
        if loader:
            loader.pin_memory = has_gpu and loader.get("pin_memory", True)
            if not loader.get("num_workers"):
                loader.persistent_workers = False
    preprocessor = (cfg.get("model") or {}).get("data_preprocessor")
    if has_gpu and preprocessor and "non_blocking" in signature(_class_of(preprocessor, cfg)).parameters:
        preprocessor.setdefault("non_blocking", True)  # from pinned memory, while the GPU still computes
    if has_gpu and (cfg.get("randomness") or {}).get("deterministic"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without which torch refuses its products


def _class_of(settings: Mapping[str, Any], cfg: Config) -> Any:
    """The model part that settings name, in the config's scope."""
    kind, scope = settings["type"], cfg.get("default_scope") or SCOPE
    if not isinstance(kind, str):
        return kind
    import_parts(scope)
    return root.MODELS.get(kind if "." in kind else f"{scope}.{kind}")
