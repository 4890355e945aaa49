"""Attention by size: which kernel is the fastest, and how far each is from float32 (attention_dispatch.py)."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from mirl_mm.analysis.profiling import device_seconds
from mirl_mm.models.layers.attention import attend_packed, attend_to
from mirl_mm.models.layers.attention_short import fits, short_attention, short_cross_attention

from .bench import Bench

Attention = Callable[..., Tensor]


class Size(NamedTuple):
    """Shapes of an attention.

    Attributes:
        where: Who has it.
        images: Or windows.
        queries: Tokens that attend.
        keys: Tokens that are attended to; None: self-attention from the packed output of ``qkv``.
        heads: Of them.
        channels: Of a head.
    """

    where: str
    images: int
    queries: int
    keys: int | None
    heads: int
    channels: int

    def __str__(self) -> str:
        tokens = self.queries if self.keys is None else f"{self.queries} to {self.keys}"
        return f"{self.images} × {tokens} × {self.heads} × {self.channels}"


SIZES = (
    Size("S-54, visible tokens", 512, 50, None, 12, 32),
    Size("B-48, visible tokens", 256, 50, None, 12, 64),
    Size("ViT-L, visible tokens", 256, 50, None, 16, 64),
    Size("64-pixel images, visible tokens", 1024, 17, None, 6, 32),
    Size("S-54's decoders, masked to all", 512, 147, 197, 12, 32),
    Size("S-54's decoders, masked to three segments", 512, 147, 150, 12, 32),
    Size("B-48's decoders, all tokens", 256, 197, None, 16, 32),
    Size("B-48's decoders, masked to all", 256, 147, 197, 16, 32),
    Size("B-48's decoders, masked to a segment", 256, 147, 50, 16, 32),
    Size("B-48's decoders, all to five segments", 256, 197, 250, 16, 32),
    Size("half of the patches visible", 256, 99, None, 12, 64),
    Size("fine-tuning of B-48", 64, 197, None, 12, 64),
    Size("ADE20K, 512 × 512", 2, 1024, None, 12, 64),
    Size("ViTDet's windows, widened heads", 50, 196, 196, 12, 96),
    Size("ViTDet's whole map, widened heads", 2, 4096, 4096, 12, 192),
)
SMALL = (
    Size("visible tokens", 2, 9, None, 2, 16),
    Size("fine-tuning", 2, 37, None, 2, 16),
    Size("masked to visible", 2, 12, 20, 2, 16),
)
BACKENDS = {
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
    "FlashAttention": SDPBackend.FLASH_ATTENTION,
    "memory-efficient": SDPBackend.EFFICIENT_ATTENTION,
}


def run(bench: Bench) -> None:
    """Each size with each kernel that takes it; ``ours`` is what the layers choose by themselves."""
    for size in SMALL if bench.rehearse else SIZES:
        inputs, weight = make_inputs(size, bench.device)
        expected = step(textbook, size, [x.float() for x in inputs], weight.float())
        ways: dict[str, Attention] = {"ours": ours}
        if bench.device.type == "cuda" and fits(size.keys or size.queries, size.channels):
            ways["short"] = short
        ways |= {name: partial(by_backend, backend) for name, backend in BACKENDS.items()}
        for name, attention in ways.items():
            keys = {"where": size.where, "size": str(size), "kernel": name}
            with bench.record.attempt("attention", **keys):
                if not takes(attention, size, inputs):
                    bench.record.add("attention", **keys, absent=True)
                    continue
                found = step(attention, size, inputs, weight)
                errors = [error(*pair) for pair in zip(found, expected, strict=True)]
                forward, both = measure(bench, attention, size, inputs, weight)
                row = {"forward_us": forward, "backward_us": both - forward}
                bench.record.add("attention", **keys, **row, error_out=errors[0], error_grad=max(errors[1:]))
        del inputs, weight, expected


def takes(attention: Attention, size: Size, inputs: list[Tensor]) -> bool:
    """Whether a kernel takes a size on this device at all."""
    try:
        with torch.no_grad():
            attention(inputs, size)
    except RuntimeError as error:
        if any(words in str(error) for words in ("No viable backend", "No available kernel")):
            return False
        raise
    return True


def make_inputs(size: Size, device: torch.device) -> tuple[list[Tensor], Tensor]:
    """``[qkv (B, N, 3HD)]`` or ``[q (B, Q, HD), kv (B, N, 2HD)]``, and the output's gradient."""
    generator = torch.Generator(device).manual_seed(0)
    width = size.heads * size.channels
    shapes = [(size.queries, 3 * width)] if size.keys is None else [(size.queries, width), (size.keys, 2 * width)]
    made = [
        torch.randn(size.images, *shape, device=device, generator=generator).bfloat16()
        for shape in [*shapes, (size.queries, width)]
    ]
    return made[:-1], made[-1]


def step(attention: Attention, size: Size, inputs: list[Tensor], weight: Tensor) -> list[Tensor]:
    """Output and the inputs' gradients."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    out = attention(leaves, size)
    return [out.detach(), *torch.autograd.grad(out, leaves, weight)]


def measure(
    bench: Bench, attention: Attention, size: Size, inputs: list[Tensor], weight: Tensor
) -> tuple[float, float]:
    """Microseconds that the device takes for the forward pass, and for both."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    times = 1 if bench.rehearse else 20

    def both() -> Any:
        return torch.autograd.grad(attention(leaves, size), leaves, weight)

    with bench.turn.alone():
        forward, all_of_it = (device_seconds(run, times) for run in (lambda: attention(leaves, size), both))
    return forward * 1e6, all_of_it * 1e6


def heads_of(inputs: list[Tensor], size: Size) -> list[Tensor]:
    """q, k and v as ``(B, H, N, D)``."""
    parts = inputs[0].chunk(3, dim=2) if size.keys is None else (inputs[0], *inputs[1].chunk(2, dim=2))
    return [x.unflatten(2, (size.heads, -1)).transpose(1, 2) for x in parts]


def ours(inputs: list[Tensor], size: Size) -> Tensor:
    """As the layers compute it."""
    return (attend_packed if size.keys is None else attend_to)(*inputs, size.heads)


def short(inputs: list[Tensor], size: Size) -> Tensor:
    """Our kernel, also where the layers would not take it."""
    return (short_attention if size.keys is None else short_cross_attention)(*inputs, size.heads)


def by_backend(backend: SDPBackend, inputs: list[Tensor], size: Size) -> Tensor:
    """One of PyTorch's kernels."""
    with sdpa_kernel(backend):
        return F.scaled_dot_product_attention(*heads_of(inputs, size)).transpose(1, 2).flatten(2)


def textbook(inputs: list[Tensor], size: Size) -> Tensor:
    """Scores and their softmax written out."""
    return by_backend(SDPBackend.MATH, inputs, size)


def error(found: Tensor, expected: Tensor) -> float:
    """Norm of the difference over the expected norm."""
    return ((found.float() - expected).norm() / expected.norm()).item()
