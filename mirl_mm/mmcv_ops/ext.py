"""The module that stands in for ``mmcv._ext``."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torchvision

from . import attention, carafe, deform_conv, focal, masked_conv, nms, psa_mask, roi_align, roi_pool  # noqa: F401
from .op_registration import REGISTERED

OPS: dict[str, Callable[..., Any]] = {
    **REGISTERED,
    # What reports on the environment say in place of the compiler's version and CUDA's.
    "get_compiler_version": lambda: f"none, torchvision {torchvision.__version__} serves mmcv's ops",
    "get_compiling_cuda_version": lambda: "none",
}


class CompiledOpMissing(NotImplementedError):
    """An op that only mmcv's compiled module has was called."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"mmcv's op {name} is not among those that torchvision and PyTorch serve here ({', '.join(sorted(OPS))}); "
            "it needs mmcv compiled against a torch below 2.14, by a C++ compiler, and nvcc for the GPU: pip install "
            "setuptools wheel ninja packaging psutil, then pip install --no-build-isolation --no-deps --no-cache-dir "
            "--force-reinstall onedl-mmcv"
        )


class Ext(ModuleType):
    """``mmcv._ext``: an op that is not here raises when it is called, as mmcv looks all names up on import."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in OPS:
            return OPS[name]

        def missing(*args: Any, **kwargs: Any) -> None:
            raise CompiledOpMissing(name)

        return missing
