"""Weights of every origin, under our names."""

from . import mmengine_loaders  # noqa: F401  # takes the place of mmengine's
from .load_into_model import Exact, load_into
from .read_weights import Weights, read_any

__all__ = ["Exact", "Weights", "load_into", "read_any"]
