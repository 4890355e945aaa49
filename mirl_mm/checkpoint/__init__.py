"""Weights of every origin, under our names."""

from .read import Weights, read_any

__all__ = ["Weights", "read_any"]
