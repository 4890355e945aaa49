"""Hooks."""

from .accumulation import EpochAccumulationHook
from .checkpoint import AtomicCheckpointHook
from .classes import ClassCheckHook
from .corrupt import CorruptImageHook
from .float32_heads import Float32HeadsHook
from .grad_norm_and_throughput import GradNormHook, ThroughputHook
from .live import LiveCurvesHook
from .loss_info import LossInfoHook
from .seed import IterationSeedHook

__all__ = [
    "AtomicCheckpointHook",
    "ClassCheckHook",
    "CorruptImageHook",
    "EpochAccumulationHook",
    "Float32HeadsHook",
    "GradNormHook",
    "IterationSeedHook",
    "LiveCurvesHook",
    "LossInfoHook",
    "ThroughputHook",
]
