"""Which kernel computes attention on a GPU, by size.

Microseconds, forward and backward together, from packed projections; one H200, bfloat16, torch 2.11.0, 2026-11-27
(docs/speed.md):

==========================================  =====  ==============  ================  ====
images x queries x keys x heads x channels  cuDNN  FlashAttention  memory-efficient  ours
==========================================  =====  ==============  ================  ====
256 x 50 x 50 x 12 x 64 (B-48)              210    376             136               69
512 x 50 x 50 x 12 x 32 (S-54)              343    500             239               83
256 x 147 x 50 x 16 x 32 (decoders)         462    604             406               160
256 x 147 x 100 x 16 x 32 (decoders)        471    618             721               419
256 x 147 x 150 x 16 x 32 (decoders)        764    995             1296              773
256 x 197 x 197 x 16 x 32 (decoders)        897    1027            2195              1005
512 x 147 x 197 x 12 x 32 (decoders)        1151   1530            2566              1180
64 x 197 x 197 x 12 x 64 (fine-tuning)      203    284             477               291
==========================================  =====  ==============  ================  ====

PyTorch's own choice on that GPU is cuDNN. Ours were tried there with more keys than the kernels take now, cut in
several ways, of which each line has the fastest: beyond 64 keys they gain a ninth at best, for twice the code.
"""

from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

#: Types whose products run on matrix units.
HALF = (torch.bfloat16, torch.float16)

#: Most keys, and channels of a head, for which our kernels are taken, and without Triton the memory-efficient one.
SHORT_TOKENS = 64
SHORT_CHANNELS = 64


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
        and tokens <= SHORT_TOKENS
        and channels <= SHORT_CHANNELS
        and kernels_run()
    )


def use_efficient(q: Tensor, k: Tensor) -> bool:
    """Whether PyTorch's memory-efficient kernel is to compute ``(B, H, Q, D)`` by ``(B, H, N, D)``."""
    return (
        on_gpu(q)
        and _computing_type(q) in HALF
        and k.shape[2] <= SHORT_TOKENS
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
