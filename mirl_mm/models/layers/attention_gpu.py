"""Which kernel computes attention on a GPU, by size.

Microseconds, forward / backward, from the packed output of ``qkv``; one H100, bfloat16, torch 2.11.0, 2026-11-26
(docs/speed.md):

=====================================  =============  ==============  ================  ===========
images x tokens x heads x channels     cuDNN          FlashAttention  memory-efficient  short
=====================================  =============  ==============  ================  ===========
256 x 50 x 12 x 64 (B-48)              61 / 227       85 / 386        48 / 146          39 / 75
512 x 50 x 12 x 32 (S-54)              109 / 304      125 / 462       77 / 208          39 / 94
1024 x 17 x 6 x 32 (64-pixel images)   108 / 203      118 / 397       70 / 154          20 / 30
=====================================  =============  ==============  ================  ===========

PyTorch's own choice on that GPU is cuDNN. What was not measured is left to it.
"""

from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

#: Types whose products run on matrix units.
HALF = (torch.bfloat16, torch.float16)

#: The class of size that was measured: tokens within one tile of 64, heads of up to 64 channels.
SHORT_TOKENS = 64
SHORT_CHANNELS = 64


def use_short(qkv: Tensor, num_heads: int) -> bool:
    """Whether :func:`~mirl_mm.models.layers.attention_short.short_attention` is to compute ``qkv`` ``(B, N, 3C)``."""
    return (
        on_gpu(qkv)
        and _computing_type(qkv) in HALF
        and qkv.shape[1] <= SHORT_TOKENS
        and qkv.shape[2] // (3 * num_heads) <= SHORT_CHANNELS
        and kernels_run()
    )


def use_efficient(q: Tensor, k: Tensor) -> bool:
    """Whether PyTorch's memory-efficient kernel is to compute ``(B, H, Q, D)`` by ``(B, H, N, D)``."""
    return (
        on_gpu(q)
        and _computing_type(q) in HALF
        and max(q.shape[2], k.shape[2]) <= SHORT_TOKENS
        and q.shape[3] <= SHORT_CHANNELS
        and q.shape[3] % 8 == 0  # its alignment
    )


def on_gpu(x: Tensor) -> bool:
    """Whether a GPU computes with ``x``."""
    return x.device.type == "cuda"


def _computing_type(x: Tensor) -> torch.dtype:
    eligible = torch.is_autocast_enabled("cuda") and x.dtype != torch.float64
    return torch.get_autocast_dtype("cuda") if eligible else x.dtype


@torch.compiler.assume_constant_result
def kernels_run() -> bool:
    """Whether Triton is there, and the GPU is one of those that it makes bfloat16 products for (Ampere or later)."""
    return _kernels_run()


@cache
def _kernels_run() -> bool:
    return find_spec("triton") is not None and torch.cuda.get_device_capability() >= (8, 0)
