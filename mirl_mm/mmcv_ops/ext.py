"""The module that stands in for ``mmcv._ext``."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torchvision

from . import attention, carafe, deform_conv, focal, masked_conv, nms, psa_mask, roi_align, roi_pool


def get_compiler_version() -> str:
    """What reports on the environment say in place of the compiler's version."""
    return f"none, torchvision {torchvision.__version__} serves mmcv's ops"


def get_compiling_cuda_version() -> str:
    """What they say in place of CUDA's."""
    return "none"


OPS: dict[str, Callable[..., Any]] = {
    op.__name__: op
    for op in (
        attention.ms_deform_attn_forward,
        attention.ms_deform_attn_backward,
        carafe.carafe_forward,
        carafe.carafe_backward,
        deform_conv.deform_conv_forward,
        deform_conv.deform_conv_backward_input,
        deform_conv.deform_conv_backward_parameters,
        deform_conv.modulated_deform_conv_forward,
        deform_conv.modulated_deform_conv_backward,
        focal.sigmoid_focal_loss_forward,
        focal.sigmoid_focal_loss_backward,
        get_compiler_version,
        get_compiling_cuda_version,
        masked_conv.masked_im2col_forward,
        masked_conv.masked_col2im_forward,
        nms.nms,
        nms.softnms,
        nms.nms_match,
        psa_mask.psamask_forward,
        psa_mask.psamask_backward,
        roi_align.roi_align_forward,
        roi_align.roi_align_backward,
        roi_pool.roi_pool_forward,
        roi_pool.roi_pool_backward,
    )
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
