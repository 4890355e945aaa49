"""Necks: from a backbone's maps to those that heads take."""

from .simple_fpn import SimpleFPN

__all__ = ["SimpleFPN"]
