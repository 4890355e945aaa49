"""Optimisation, schedules, hooks, loops, launching."""

from .bf16_optim_wrapper import Bf16OptimWrapper
from .ema import EMATestLoop, EMAValLoop, ModelEMAHook, WarmupEMA
from .hooks import *  # noqa: F403
from .lars import LARS
from .layer_decay import LayerDecayOptimWrapperConstructor
from .param_groups import GroupedOptimWrapperConstructor
from .runner import Runner
from .schedulers import WarmupCosineLR, WarmupPolyLR, WarmupStepLR
from .sharded import ShardedRunner
from .trackers import MLflowTracker, WandbTracker

__all__ = [
    "LARS",
    "Bf16OptimWrapper",
    "EMATestLoop",
    "EMAValLoop",
    "GroupedOptimWrapperConstructor",
    "LayerDecayOptimWrapperConstructor",
    "MLflowTracker",
    "ModelEMAHook",
    "Runner",
    "ShardedRunner",
    "WandbTracker",
    "WarmupCosineLR",
    "WarmupEMA",
    "WarmupPolyLR",
    "WarmupStepLR",
]
