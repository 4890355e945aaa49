"""Weights of every origin, under our names."""

from . import loader  # noqa: F401  # takes the place of mmengine's
from .read import Weights, read_any

__all__ = ["Weights", "read_any"]
