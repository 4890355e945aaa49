"""Metrics."""

from .masked_loss import MaskedLoss

__all__ = ["MaskedLoss"]
