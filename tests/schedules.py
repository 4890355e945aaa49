"""The schedule of a config without a run."""

from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope

from mirl_mm.registry import PARAM_SCHEDULERS


def schedule_of(cfg: Config, epoch_length: int = 1, lr: float = 1.0) -> tuple[Any, dict[str, Any]]:
    """A config's only schedule, built as mmengine's runner does, and the parameter group whose ``lr`` it sets.

    Args:
        cfg: The config.
        epoch_length: Iterations of an epoch.
        lr: The highest rate.
    """
    group = {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr}
    accumulated = cfg.optim_wrapper.get("accumulative_counts", 1)
    wrapper = OptimWrapper(torch.optim.SGD([group], lr=lr), accumulative_counts=accumulated)
    given = cfg.param_scheduler
    (given,) = given if isinstance(given, (list, tuple)) else [given]
    settings = {"end": cfg.train_cfg.get("max_epochs") or cfg.train_cfg.max_iters, **given}
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        schedule = PARAM_SCHEDULERS.build(settings, default_args={"optimizer": wrapper, "epoch_length": epoch_length})
    wrapper.optimizer.step()  # or the first step of the schedule warns
    return schedule, wrapper.optimizer.param_groups[0]


def rates_of(cfg: Config, steps: int, epoch_length: int = 1) -> list[float]:
    """The learning rate of each of the first iterations, over the highest."""
    schedule, group = schedule_of(cfg, epoch_length)
    found = []
    for _ in range(steps):
        found.append(group["lr"])
        schedule.step()
    return found
