"""Shapes: generated images with class, box, instance-mask and semantic labels.

Textured, overlapping shapes on textured backgrounds: enough structure to learn from, made in seconds, any number of
them, the same whenever seed, settings and library versions are. Demo and tests stand on it.

Uses numpy and PIL only.
"""

from .generation import generate
from .layouts import LAYOUTS
from .outlines import CLASSES
from .scene import DEFAULT_STYLE, EASY_STYLE, SPLITS, Instance, Scene, SceneStyle, make_scene

__all__ = [
    "CLASSES",
    "DEFAULT_STYLE",
    "EASY_STYLE",
    "LAYOUTS",
    "SPLITS",
    "Instance",
    "Scene",
    "SceneStyle",
    "generate",
    "make_scene",
]
