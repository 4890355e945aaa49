"""Finds ``mmcv._ext`` where no compiled one is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Literal

NAME = "mmcv._ext"


class ExtFinder(MetaPathFinder, Loader):
    """Stands behind the finders that look into folders, so that a compiled module comes first."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A specification for ``mmcv._ext``, and for nothing else."""
        return ModuleSpec(fullname, self) if fullname == NAME else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module that has the ops."""
        return import_module(".ext", __package__).Ext(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the module is made whole."""


def install() -> None:
    """Add the finder, once."""
    if not any(isinstance(finder, ExtFinder) for finder in sys.meta_path):
        sys.meta_path.append(ExtFinder())


def source() -> Literal["compiled", "torchvision"]:
    """Where mmcv's ops come from in this process: its own compiled module, or this package.

    Imports mmcv itself (not its ops), and with it torch.

    Raises:
        ModuleNotFoundError: mmcv is not installed.
    """
    spec = sys.modules[NAME].__spec__ if NAME in sys.modules else find_spec(NAME)
    return "torchvision" if spec is None or isinstance(spec.loader, ExtFinder) else "compiled"
