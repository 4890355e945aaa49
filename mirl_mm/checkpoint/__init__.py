"""Weights of every origin, under our names."""

from . import loader  # noqa: F401  # takes the place of mmengine's
from .load import Exact, load_into
from .read import Weights, read_any

__all__ = ["Exact", "Weights", "load_into", "read_any"]
