"""Triton kernels of self-attention between few tokens. Imports triton: imported where a kernel is launched, not before.

A program has one head of one image: all of its scores fit on the chip, so they are never written to memory, and the
backward pass computes them again from q and k. Both read the packed output of ``qkv`` and write packed results: nothing
is split, joined or transposed in memory. Products are of the inputs' type (float32: exact, no TF32) with float32 sums;
softmax and its gradient are float32.

Shapes: B images, N tokens, C channels, H heads, D = C / H; BLOCK_N and BLOCK_D: N and D up to powers of two.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

#: Matrix units take no smaller tile.
_SMALLEST = 16


@triton.jit
def _offsets(N, C, D, stride, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr):
    """Offsets of a head's (N, D) in rows of ``stride`` channels, and which are there."""
    rows, channels = tl.arange(0, BLOCK_N), tl.arange(0, BLOCK_D)
    there = (rows[:, None] < N) & (channels[None, :] < D)
    return rows[:, None] * stride + channels[None, :], there


@triton.jit
def _weights(q, k, N, scale, BLOCK_N: tl.constexpr):
    """Softmax of the scores, float32 (BLOCK_N, BLOCK_N); columns that are no tokens are 0."""
    scores = tl.dot(q, tl.trans(k), input_precision="ieee") * scale
    scores = tl.where(tl.arange(0, BLOCK_N)[None, :] < N, scores, float("-inf"))
    scores = tl.exp(scores - tl.max(scores, 1)[:, None])
    return scores / tl.sum(scores, 1)[:, None]


@triton.jit
def _forward(qkv, out, N, C, D, H, scale, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr):
    image, head = (tl.program_id(0) // H).to(tl.int64), tl.program_id(0) % H
    offsets, there = _offsets(N, C, D, 3 * C, BLOCK_N, BLOCK_D)
    source = qkv + image * N * 3 * C + head * D + offsets
    q = tl.load(source, mask=there, other=0.0)
    k = tl.load(source + C, mask=there, other=0.0)
    v = tl.load(source + 2 * C, mask=there, other=0.0)
    weights = _weights(q, k, N, scale, BLOCK_N)
    result = tl.dot(weights.to(v.dtype), v, input_precision="ieee")
    offsets, there = _offsets(N, C, D, C, BLOCK_N, BLOCK_D)
    tl.store(out + image * N * C + head * D + offsets, result.to(out.dtype.element_ty), mask=there)


@triton.jit
def _backward(qkv, grad, grad_qkv, N, C, D, H, scale, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr):
    image, head = (tl.program_id(0) // H).to(tl.int64), tl.program_id(0) % H
    offsets, there = _offsets(N, C, D, C, BLOCK_N, BLOCK_D)
    do = tl.load(grad + image * N * C + head * D + offsets, mask=there, other=0.0)
    offsets, there = _offsets(N, C, D, 3 * C, BLOCK_N, BLOCK_D)
    start = image * N * 3 * C + head * D
    q = tl.load(qkv + start + offsets, mask=there, other=0.0)
    k = tl.load(qkv + start + C + offsets, mask=there, other=0.0)
    v = tl.load(qkv + start + 2 * C + offsets, mask=there, other=0.0)
    weights = _weights(q, k, N, scale, BLOCK_N)
    kind = grad_qkv.dtype.element_ty
    target = grad_qkv + start + offsets
    dv = tl.dot(tl.trans(weights.to(do.dtype)), do, input_precision="ieee")
    tl.store(target + 2 * C, dv.to(kind), mask=there)
    dweights = tl.dot(do, tl.trans(v), input_precision="ieee")
    dscores = weights * (dweights - tl.sum(weights * dweights, 1)[:, None]) * scale
    dscores = dscores.to(q.dtype)
    tl.store(target, tl.dot(dscores, k, input_precision="ieee").to(kind), mask=there)
    tl.store(target + C, tl.dot(tl.trans(dscores), q, input_precision="ieee").to(kind), mask=there)


def forward(qkv: Tensor, num_heads: int) -> Tensor:
    """Contiguous ``(B, N, 3C)`` -> ``(B, N, C)``."""
    out = qkv.new_empty(*qkv.shape[:2], qkv.shape[2] // 3)
    _launch(_forward, (qkv, out), out.shape, num_heads)
    return out


def backward(qkv: Tensor, grad: Tensor, num_heads: int) -> Tensor:
    """Contiguous ``(B, N, 3C)`` and ``(B, N, C)`` -> ``(B, N, 3C)``, the gradient of the first."""
    grad_qkv = torch.empty_like(qkv)
    _launch(_backward, (qkv, grad, grad_qkv), grad.shape, num_heads)
    return grad_qkv


def _launch(kernel, tensors: tuple[Tensor, ...], shape: torch.Size, num_heads: int) -> None:
    images, tokens, channels = shape
    dim = channels // num_heads
    block = max(_SMALLEST, triton.next_power_of_2(tokens))
    if images == 0:
        return
    with torch.cuda.device_of(tensors[0]):
        kernel[(images * num_heads,)](
            *tensors,
            tokens,
            channels,
            dim,
            num_heads,
            dim**-0.5,
            BLOCK_N=block,
            BLOCK_D=max(_SMALLEST, triton.next_power_of_2(dim)),
            num_warps=4 if block <= 64 else 8,
        )
