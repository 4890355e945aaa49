"""Metrics."""

from .accuracy import Accuracy
from .masked_loss import MaskedLoss

__all__ = ["Accuracy", "MaskedLoss"]
