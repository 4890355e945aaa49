"""What a model costs and how fast it runs; nothing here is needed for training."""

from .flops import Macs, count_macs, encoder_cost, encoder_settings, pretraining_macs
from .parts import Part, model_parts, total_cost
from .textbook import PlainFormulation

__all__ = [
    "Macs",
    "Part",
    "PlainFormulation",
    "count_macs",
    "encoder_cost",
    "encoder_settings",
    "model_parts",
    "pretraining_macs",
    "total_cost",
]
