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

#: Most tokens that are attended to by our kernels, by channels of a head (up to the number).
OUR_TOKENS = {32: 256, 64: 64}
#: The same of PyTorch's memory-efficient kernel, where ours can't run.
EFFICIENT_TOKENS, EFFICIENT_CHANNELS = 64, 64


def use_short(packed: Tensor, parts: int, num_heads: int) -> bool:
    """Whether the kernels of :mod:`.attention_short` are to compute attention.

    Args:
        packed: ``(B, N, parts * C)``: ``qkv``, or keys and values.
        parts: 3 or 2.
        num_heads: H.
    """
    tokens, channels = packed.shape[1], packed.shape[2] // (parts * num_heads)
    return (
        on_gpu(packed)
        and _computing_type(packed) in HALF
        and any(channels <= width and tokens <= most for width, most in OUR_TOKENS.items())
        and kernels_run()
    )


def use_efficient(q: Tensor, k: Tensor) -> bool:
    """Whether PyTorch's memory-efficient kernel is to compute ``(B, H, Q, D)`` by ``(B, H, N, D)``."""
    return (
        on_gpu(q)
        and _computing_type(q) in HALF
        and max(q.shape[2], k.shape[2]) <= EFFICIENT_TOKENS
        and q.shape[3] <= EFFICIENT_CHANNELS
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
