"""Hooks."""

from .accumulation import EpochAccumulationHook
from .checkpoint import AtomicCheckpointHook
from .corrupt import CorruptImageHook
from .load_report import LoadReportHook
from .monitor import GradNormHook, NonFiniteLossHook, ThroughputHook
from .reconstruction import ReconstructionHook
from .seed import IterationSeedHook

__all__ = [
    "AtomicCheckpointHook",
    "CorruptImageHook",
    "EpochAccumulationHook",
    "GradNormHook",
    "IterationSeedHook",
    "LoadReportHook",
    "NonFiniteLossHook",
    "ReconstructionHook",
    "ThroughputHook",
]
