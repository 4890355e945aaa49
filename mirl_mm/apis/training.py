"""Training in Python, by the configs and the runner of the command line."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

from mirl_mm.config import find_config, listed
from mirl_mm.engine.batch_size import AUTO, set_batch_size
from mirl_mm.engine.cli import default_work_dir
from mirl_mm.engine.data_root import limit_batch, use_folder
from mirl_mm.engine.derive_from_datasets import set_classes
from mirl_mm.engine.hooks.live import LiveCurvesHook
from mirl_mm.engine.launch import load_config
from mirl_mm.engine.training import prepare_training, run_training

from .run import Run

#: Encoders to pre-train, and the recipe of each.
RECIPES = {
    "tiny-24": "pretrain/mirl_tiny24_64px",
    "vit-s": "pretrain/mirl_vits_in1k",
    "vit-s-54": "pretrain/mirl_vits54_in1k",
    "vit-b": "pretrain/mirl_vitb_in1k",
    "vit-b-24": "pretrain/mirl_vitb24_in1k",
    "vit-b-48": "pretrain/mirl_vitb48_in1k",
}
#: By which validation a checkpoint is the best, for each kind of metric.
_BEST = {"CocoMetric": "coco/bbox_mAP", "IoUMetric": "mIoU", "Accuracy": "accuracy/top1"}


def pretrain(data_root: str | Path, arch: str = "vit-s", **kwargs: Any) -> Run:
    """Pre-train an encoder on a folder of images by MIRL; labels are not needed.

    Args:
        data_root: The folder. Images may lie at any depth; ``train`` and ``val`` in it are taken for what they are.
        arch: ``vit-s``, ``vit-s-54``, ``vit-b``, ``vit-b-24``, ``vit-b-48``: the paper's encoders, and 12 blocks of
            their widths, for 224 x 224 pixels; or ``tiny-24``, 24 narrow blocks for 64 x 64, which a CPU trains.
        **kwargs: As :func:`train` takes them, such as ``epochs``.

    Returns:
        The run, which :func:`train` takes as ``pretrained``.

    Raises:
        ValueError: For an unknown encoder, and what :func:`train` raises.
    """
    if arch not in RECIPES:
        raise ValueError(
            f"no recipe pre-trains {arch!r}: choose one of {', '.join(RECIPES)}, or give mirl_mm.train a config"
        )
    return train(RECIPES[arch], data_root, **kwargs)


@contextmanager
def _flags_as_arguments() -> Iterator[None]:
    """Let errors that the command line's tools raise, too, name the argument where they name a flag."""
    try:
        yield
    except ValueError as error:
        text = str(error).replace("--cfg-options", "overrides").replace("--tracker", "trackers")
        error.args = (re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda flag: flag[1].replace("-", "_"), text),)
        raise


@_flags_as_arguments()
def train(
    config: str | Path,
    data_root: str | Path | None = None,
    *,
    pretrained: Run | str | Path | None = None,
    load_from: Run | str | Path | None = None,
    epochs: int | None = None,
    iters: int | None = None,
    batch_size: int | str | None = None,
    classes: Sequence[str] = (),
    val_share: float = 0.1,
    work_dir: str | Path | None = None,
    resume: bool | str | Path = False,
    seed: int | None = None,
    amp: bool = False,
    trackers: str | Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> Run:
    """Train any config on a folder of data; what ``tools/train.py`` does with the same config and options.

    What the folder holds is found out and said (docs/data.md shows the layouts); the number of classes of every head
    follows. All settings are saved as a config in the work dir, from which ``tools/train.py`` repeats the run.

    Args:
        config: A recipe's name, such as ``cls/mirl_vits_in1k``, or the path of a config.
        data_root: The folder of the data; None: the config's own.
        pretrained: From whose weights the backbone starts: a run, or a checkpoint of any origin.
        load_from: From whose weights the whole model starts.
        epochs: Length of the training; the schedule follows. None: the config's.
        iters: The same in iterations, for configs that count them.
        batch_size: Images at a time; the learning rate follows. ``"auto"``: as many as fit the memory, the update being
            the config's. None: the config's.
        classes: Names in the order of their labels; default: those of the data.
        val_share: Part of the images held out for validation where the data has no split for it; 0: no validation then.
        work_dir: Where all results go; default: ``work_dirs/<task>/<config's name>``.
        resume: Go on from the last checkpoint in the work dir, if there is one; or from the one given.
        seed: Of weights, order and augmentation; default: the config's, 0.
        amp: bfloat16 mixed precision, whatever the config says.
        trackers: Where the run is reported to besides, such as ``"tensorboard"``.
        overrides: Dotted keys of the config to other values, such as ``{"optim_wrapper.optimizer.lr": 1e-4}``.

    Returns:
        The run.

    Raises:
        FileNotFoundError: If config, folder or checkpoint is missing.
        ValueError: For an override that names nothing, a folder that holds nothing to learn from, and other settings
            that can't be.
    """
    _forget_runs()
    name = find_config(config)
    asked = dict(overrides or {})
    cfg = load_config(name, asked)
    cfg.launcher = "none"
    cfg.work_dir = os.fspath(work_dir or cfg.get("work_dir") or default_work_dir(name))
    if batch_size is not None and batch_size != AUTO:
        set_batch_size(cfg, int(batch_size))
    if seed is not None:
        cfg.setdefault("randomness", {})["seed"] = seed
    if data_root is not None:
        use_folder(cfg, os.fspath(data_root), Path(cfg.work_dir) / "data", _USED, classes, val_share)
    elif classes:
        set_classes(cfg, classes)
    limit_batch(cfg)
    _keep_best(cfg)
    prepare_training(
        cfg,
        epochs=epochs,
        iters=iters,
        given=asked,
        batch_size=AUTO if batch_size == AUTO else None,
        amp=amp,
        trackers=trackers,
        pretrained=_weights(pretrained),
        load_from=_weights(load_from),
        resume=resume,
    )
    run_training(cfg, [LiveCurvesHook()])
    return Run(cfg.work_dir)


_USED = ("train_dataloader", "val_dataloader")


def _weights(source: Run | str | Path | None) -> str | Path | None:
    return source.checkpoint if isinstance(source, Run) else source


def _keep_best(cfg: Config) -> None:
    """Keep the best checkpoint beside the last ones, if there is a validation that says which it is."""
    metrics = listed(cfg.get("val_evaluator"))
    best = next((_BEST[kind] for each in metrics if (kind := str(each["type"]).rpartition(".")[2]) in _BEST), None)
    hook = cfg.default_hooks.get("checkpoint")
    if best and hook and "save_best" not in hook:
        hook.save_best, hook.rule = best, "greater"


def _forget_runs() -> None:
    """Let a run of the same process have a log and pictures of its own: mmengine would go on with the last one's."""
    for kind in (MMLogger, MessageHub, DefaultScope, Visualizer, *Visualizer.__subclasses__()):
        kind._instance_dict.clear()
