"""What all inferencers share; a task's own is in its wing's ``inferencer.py``."""

from .base import ImageInferencer

__all__ = ["ImageInferencer"]
