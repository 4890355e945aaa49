"""What a model costs and how fast it runs; nothing here is needed for training."""

from .flops import Macs, count_macs, encoder_cost, encoder_settings, pretraining_macs
from .plain import PlainFormulation

__all__ = ["Macs", "PlainFormulation", "count_macs", "encoder_cost", "encoder_settings", "pretraining_macs"]
