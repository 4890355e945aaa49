"""Attention in half precision on a CPU.

PyTorch's fused kernel is fast there in its forward pass, but its backward pass takes up to five times as long in
bfloat16 as in float32 (torch 2.12, docs/speed.md), which costs a ViT-S-54 half of what bfloat16 saves in the linear
layers. So training takes other ways; on GPUs and in float32 nothing of this is used.

Shapes: B batch, H heads, Q query tokens, N tokens, D channels of a head.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

HALF = (torch.bfloat16, torch.float16)

#: Up to this many scores (Q * N) per head their softmax is kept for the backward pass, 2 bytes each.
MAX_SCORES = 512 * 512


def attend_half(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> Tensor:
    """Scaled dot-product attention of bfloat16 or float16 tensors on a CPU.

    Without gradients: the fused kernel. With them, short sequences in bfloat16: :class:`ShortAttention`; others: the
    fused kernel in float32.

    Shapes and ``scale`` as of :func:`.attention.fused_attention`.
    """
    with torch.autocast("cpu", enabled=False):
        if not (torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v))):
            return F.scaled_dot_product_attention(q, k, v, scale=scale)
        if q.dtype == torch.bfloat16 and q.shape[-2] * k.shape[-2] <= MAX_SCORES:
            return ShortAttention.apply(q, k, v, scale)
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), scale=scale).to(q.dtype)


class ShortAttention(torch.autograd.Function):
    """Attention by batched bfloat16 matrix products, rounded where GPUs' fused kernels round.

    Scores and softmax are float32, since a score rounded to bfloat16 is off by up to 0.4 %, of its size, not of its
    spread; weights and the gradient of the scores are bfloat16. Other than there, so is the weights' gradient.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> Tensor:
        """``(B, H, Q, D)`` and two ``(B, H, N, D)`` -> ``(B, H, Q, D)``."""
        heads = q.shape[:2]
        ctx.scale = q.shape[-1] ** -0.5 if scale is None else scale
        q, k, v = (x.flatten(0, 1) for x in (q, k, v))
        scores = torch.bmm(q.float().mul_(ctx.scale), k.float().transpose(1, 2))
        weights = scores.softmax(dim=-1).to(q.dtype)
        ctx.save_for_backward(q, k, v, weights)
        return torch.bmm(weights, v).unflatten(0, heads)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Gradients of the three."""
        heads = grad.shape[:2]
        q, k, v, weights = ctx.saved_tensors
        grad = grad.flatten(0, 1)
        grad_v = torch.bmm(weights.transpose(1, 2), grad)
        grad_weights = torch.bmm(grad, v.transpose(1, 2))
        grad_scores = torch.ops.aten._softmax_backward_data(grad_weights, weights, -1, weights.dtype)
        grad_q = torch.bmm(grad_scores, k).mul_(ctx.scale)
        grad_k = torch.bmm(grad_scores.transpose(1, 2), q).mul_(ctx.scale)
        return grad_q.unflatten(0, heads), grad_k.unflatten(0, heads), grad_v.unflatten(0, heads), None
