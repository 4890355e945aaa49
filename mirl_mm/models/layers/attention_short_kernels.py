"""Triton kernels of attention between few tokens. Imports triton: imported where a kernel is launched, not before.

A program has one head of one image. Its keys and values stay on the chip, its queries come in blocks, and a block's
scores all fit on the chip as well: they are never written to memory, and the backward pass computes them again from q
and k. What is read and written may be part of a packed projection: nothing is split, joined or transposed in memory.
Products are of the inputs' type (float32: exact, no TF32) with float32 sums; softmax and its gradient are float32.

Shapes: B images, Q queries, N keys, C channels, H heads, D = C / H; BLOCKS blocks of BLOCK_Q queries; BLOCK_N and
BLOCK_D: N and D up to powers of two.
"""

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

#: Matrix units take no smaller tile.
_SMALLEST = 16
#: Queries of a block at most: as many rows as a group of four warps multiplies at a time. Of 16, 32 and 64 the fastest.
_LARGEST = 64


@triton.jit
def _tile(first, count, D, row, SIZE: tl.constexpr, BLOCK_D: tl.constexpr):
    """Offsets of (SIZE, D) from row ``first`` of a head, in rows that are ``row`` apart, and which are there."""
    rows, channels = first + tl.arange(0, SIZE), tl.arange(0, BLOCK_D)
    return rows[:, None] * row + channels[None, :], (rows[:, None] < count) & (channels[None, :] < D)


@triton.jit
def _read(source, first, count, D, row, SIZE: tl.constexpr, BLOCK_D: tl.constexpr):
    offsets, there = _tile(first, count, D, row, SIZE, BLOCK_D)
    return tl.load(source + offsets, mask=there, other=0.0)


@triton.jit
def _write(target, x, first, count, D, row, SIZE: tl.constexpr, BLOCK_D: tl.constexpr):
    offsets, there = _tile(first, count, D, row, SIZE, BLOCK_D)
    tl.store(target + offsets, x.to(target.dtype.element_ty), mask=there)


@triton.jit
def _weights(q, k, N, scale, BLOCK_N: tl.constexpr):
    """Softmax of the scores, float32 (BLOCK_Q, BLOCK_N); columns that are no keys are 0."""
    scores = tl.dot(q, tl.trans(k), input_precision="ieee") * scale
    scores = tl.where(tl.arange(0, BLOCK_N)[None, :] < N, scores, float("-inf"))
    scores = tl.exp(scores - tl.max(scores, 1)[:, None])
    return scores / tl.sum(scores, 1)[:, None]


@triton.jit
def _forward(
    q, k, v, out, Q, N, D, H, q_image, q_row, k_image, k_row, out_row, scale,
    BLOCKS: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    image, channel = (tl.program_id(0) // H).to(tl.int64), tl.program_id(0) % H * D
    keys = _read(k + image * k_image + channel, 0, N, D, k_row, BLOCK_N, BLOCK_D)
    values = _read(v + image * k_image + channel, 0, N, D, k_row, BLOCK_N, BLOCK_D)
    for block in tl.range(BLOCKS):
        queries = _read(q + image * q_image + channel, block * BLOCK_Q, Q, D, q_row, BLOCK_Q, BLOCK_D)
        weights = _weights(queries, keys, N, scale, BLOCK_N)
        result = tl.dot(weights.to(values.dtype), values, input_precision="ieee")
        _write(out + image * Q * out_row + channel, result, block * BLOCK_Q, Q, D, out_row, BLOCK_Q, BLOCK_D)


@triton.jit
def _backward(
    q, k, v, grad, grad_q, grad_k, grad_v, Q, N, D, H, q_image, q_row, k_image, k_row, grad_row, grad_q_row, grad_k_row,
    scale, BLOCKS: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    image, channel = (tl.program_id(0) // H).to(tl.int64), tl.program_id(0) % H * D
    keys = _read(k + image * k_image + channel, 0, N, D, k_row, BLOCK_N, BLOCK_D)
    values = _read(v + image * k_image + channel, 0, N, D, k_row, BLOCK_N, BLOCK_D)
    of_keys = tl.zeros((BLOCK_N, BLOCK_D), tl.float32)
    of_values = tl.zeros((BLOCK_N, BLOCK_D), tl.float32)
    for block in tl.range(BLOCKS):
        first = block * BLOCK_Q
        queries = _read(q + image * q_image + channel, first, Q, D, q_row, BLOCK_Q, BLOCK_D)
        of_out = _read(grad + image * Q * grad_row + channel, first, Q, D, grad_row, BLOCK_Q, BLOCK_D)
        weights = _weights(queries, keys, N, scale, BLOCK_N)
        of_values += tl.dot(tl.trans(weights.to(of_out.dtype)), of_out, input_precision="ieee")
        of_weights = tl.dot(of_out, tl.trans(values), input_precision="ieee")
        of_scores = weights * (of_weights - tl.sum(weights * of_weights, 1)[:, None]) * scale
        of_scores = of_scores.to(queries.dtype)
        of_queries = tl.dot(of_scores, keys, input_precision="ieee")
        _write(grad_q + image * Q * grad_q_row + channel, of_queries, first, Q, D, grad_q_row, BLOCK_Q, BLOCK_D)
        of_keys += tl.dot(tl.trans(of_scores), queries, input_precision="ieee")
    _write(grad_k + image * N * grad_k_row + channel, of_keys, 0, N, D, grad_k_row, BLOCK_N, BLOCK_D)
    _write(grad_v + image * N * grad_k_row + channel, of_values, 0, N, D, grad_k_row, BLOCK_N, BLOCK_D)


def forward(q: Tensor, k: Tensor, v: Tensor, num_heads: int) -> Tensor:
    """``(B, Q, C)``, ``(B, N, C)`` twice -> ``(B, Q, C)``.

    Channels lie side by side in memory, and keys and values have the same strides.
    """
    out = torch.empty(q.shape, dtype=q.dtype, device=q.device)  # without gaps, whatever the strides of q
    _launch(_forward, (q, k, v, out), (*q.stride()[:2], *k.stride()[:2], q.shape[2]), num_heads)
    return out


def backward(q: Tensor, k: Tensor, v: Tensor, grad: Tensor, grads: Sequence[Tensor], num_heads: int) -> None:
    """Fill ``grads``, the gradients of q, k and v, from that of the output, ``(B, Q, C)`` without gaps.

    In memory an image's gradients follow those of the image before at once; else all is as for :func:`forward`.
    """
    strides = (*q.stride()[:2], *k.stride()[:2], q.shape[2], grads[0].stride(1), grads[1].stride(1))
    _launch(_backward, (q, k, v, grad, *grads), strides, num_heads)


def _launch(kernel: Any, tensors: tuple[Tensor, ...], strides: tuple[int, ...], num_heads: int) -> None:
    (images, queries, channels), tokens = tensors[0].shape, tensors[1].shape[1]
    if images == 0 or queries == 0:
        return
    keys, block = _up(tokens), min(_up(queries), _LARGEST)
    with torch.cuda.device_of(tensors[0]):
        kernel[(images * num_heads,)](
            *tensors,
            queries,
            tokens,
            channels // num_heads,
            num_heads,
            *strides,
            (channels // num_heads) ** -0.5,
            BLOCKS=triton.cdiv(queries, block),
            BLOCK_Q=block,
            BLOCK_N=keys,
            BLOCK_D=_up(channels // num_heads),
            num_warps=4 if keys <= 64 else 8,
            num_stages=1,
        )


def _up(size: int) -> int:
    return max(_SMALLEST, triton.next_power_of_2(size))
