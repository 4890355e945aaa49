"""Trainings that were run by hand, taken into a study."""

import json
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .step import Step, differences

#: What has to be equal. The learning rate is not among it: a run keeps it multiplied by its images of an update.
_COMPARED = (
    "model",
    "train_cfg.max_epochs",
    "train_cfg.max_iters",
    "train_dataloader.batch_size",
    "train_dataloader.dataset.pipeline",
    "optim_wrapper.type",
    "optim_wrapper.optimizer.type",
    "optim_wrapper.paramwise_cfg",
    "optim_wrapper.accumulative_counts",
    "param_scheduler.warmup",
    "randomness.seed",
)


def adopt(step: Step, folder: Path, cfg: Config) -> None:
    """Count a finished training as a study's step: its folder is linked to.

    Args:
        step: Not begun yet.
        folder: A work dir of ``tools/train.py``.
        cfg: The config with which the study would run it.

    Raises:
        FileNotFoundError: If the folder has no config, or not what the step makes.
        ValueError: If it was another training, with what differs; or if the step has been begun.
    """
    if step.done and step.folder.resolve() == folder.resolve():
        return
    if step.record.exists() or step.folder.exists():
        raise ValueError(f"--adopt {step.name}: the study has this training already, in '{step.folder}'")
    if not (folder / step.makes).is_file():
        raise FileNotFoundError(f"--adopt {step.name}: '{folder}' has no {step.makes}: is the training finished?")
    configs = sorted(folder.glob("*.py"))
    if len(configs) != 1:
        raise FileNotFoundError(f"--adopt {step.name}: '{folder}' needs the config that tools/train.py leaves there")
    if other := differences(_facts(Config.fromfile(configs[0])), _facts(cfg)):
        raise ValueError(f"--adopt {step.name}: '{folder}' is another training: {'; '.join(other)}")
    step.folder.parent.mkdir(parents=True, exist_ok=True)
    step.folder.symlink_to(folder.resolve(), target_is_directory=True)
    step.ended = True
    step.keep()


def _facts(cfg: Config) -> dict[str, Any]:
    """What is compared, without what a run adds to its config."""
    facts = {}
    for key in _COMPARED:
        value: Any = cfg.to_dict()
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        facts[key] = value
    facts["model"].get("backbone", {}).pop("init_cfg", None)  # the weights that it starts from
    facts["model"].get("head", {}).pop("num_classes", None)  # the data's
    return json.loads(json.dumps(facts, default=str))
