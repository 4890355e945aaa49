"""Hooks."""

from .accumulation import EpochAccumulationHook
from .batch_norm import BatchNormCheckHook
from .checkpoint import AtomicCheckpointHook
from .classes import ClassCheckHook
from .corrupt import CorruptImageHook
from .float32_heads import Float32HeadsHook
from .knn import KNNHook
from .live import LiveCurvesHook
from .losses import LossInfoHook
from .monitor import GradNormHook, ThroughputHook
from .reconstruction import ReconstructionHook
from .seed import IterationSeedHook

__all__ = [
    "AtomicCheckpointHook",
    "BatchNormCheckHook",
    "ClassCheckHook",
    "CorruptImageHook",
    "EpochAccumulationHook",
    "Float32HeadsHook",
    "GradNormHook",
    "IterationSeedHook",
    "KNNHook",
    "LiveCurvesHook",
    "LossInfoHook",
    "ReconstructionHook",
    "ThroughputHook",
]
