"""Shapes: generated images with class, box, instance-mask and semantic labels.

Textured, overlapping shapes on textured backgrounds: enough structure to learn from, made in seconds, any number of
them, the same whenever seed, settings and library versions are. Demo and tests stand on it.

Uses numpy and PIL only.
"""

from mirl_mm.datasets.shapes.generation import generate
from mirl_mm.datasets.shapes.layouts import LAYOUTS
from mirl_mm.datasets.shapes.outlines import CLASSES
from mirl_mm.datasets.shapes.scene import DEFAULT_STYLE, EASY_STYLE, SPLITS, Instance, Scene, SceneStyle, make_scene

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
