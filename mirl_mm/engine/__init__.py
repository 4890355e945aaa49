"""What surrounds the model in a run: optimisation, schedules, hooks."""

from .hooks import *  # noqa: F403
from .layer_decay import LayerDecayOptimWrapperConstructor
from .optim_wrapper import Bf16OptimWrapper
from .param_groups import GroupedOptimWrapperConstructor
from .schedulers import WarmupCosineLR

__all__ = [
    "Bf16OptimWrapper",
    "GroupedOptimWrapperConstructor",
    "LayerDecayOptimWrapperConstructor",
    "WarmupCosineLR",
]
