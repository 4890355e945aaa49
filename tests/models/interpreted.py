"""The short-sequence kernels against float64.

As a script it runs them in Triton's interpreter (TRITON_INTERPRET=1) and prints JSON; in a process of its own, as
Triton reads the variable when it is imported.
"""

import json
import sys
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mirl_mm.models.layers.attention_short import short_attention, short_cross_attention


def textbook(qkv: Tensor, num_heads: int) -> Tensor:
    """Attention written out."""
    q, k, v = qkv.unflatten(2, (3, num_heads, -1)).permute(2, 0, 3, 1, 4)
    weights = (q @ k.transpose(2, 3) * q.shape[3] ** -0.5).softmax(dim=3)
    return (weights @ v).transpose(1, 2).flatten(2)


def fused(qkv: Tensor, num_heads: int) -> Tensor:
    """PyTorch's kernel, for comparison."""
    q, k, v = qkv.unflatten(2, (3, num_heads, -1)).permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def run(function, qkv: Tensor, num_heads: int, weight: Tensor) -> tuple[Tensor, Tensor]:
    qkv = qkv.detach().requires_grad_()
    out = function(qkv, num_heads)
    out.backward(weight.to(out.dtype))
    assert out.dtype == qkv.dtype and qkv.grad.shape == qkv.shape and qkv.grad.dtype == qkv.dtype
    return out.detach(), qkv.grad


def error(found: Tensor, expected: Tensor) -> float:
    return ((found.double() - expected).norm() / expected.norm()).item()


def measure(
    images: int, tokens: int, heads: int, channels: int, dtype: torch.dtype, layout: str, device: str = "cpu"
) -> dict:
    """Errors of output and gradient, as shares of their norms: ours and those of PyTorch's kernel."""
    generator = torch.Generator().manual_seed(tokens * 1000 + channels)
    shape = (images, tokens, 3 * heads * channels)
    if layout == "transposed":
        qkv = torch.randn(shape[1], shape[0], shape[2], generator=generator).transpose(0, 1)
    elif layout == "strided":
        qkv = torch.randn(*shape[:2], 2 * shape[2], generator=generator)[..., ::2]
    else:
        qkv = torch.randn(shape, generator=generator)
    qkv = (1.5 * qkv).to(device, dtype)  # keeps the strides
    weight = torch.randn(images, heads * channels, tokens, generator=generator).transpose(1, 2)
    if layout == "contiguous":
        weight = weight.contiguous()
    weight = weight.to(device)
    expected = run(textbook, qkv.double(), heads, weight.to(dtype).double())
    ours, theirs = (run(function, qkv, heads, weight) for function in (short_attention, fused))
    return {
        "shape": [images, tokens, heads, channels],
        "dtype": str(dtype).removeprefix("torch."),
        "layout": layout,
        **{name: [error(found[i], expected[i]) for i in (0, 1)] for name, found in (("ours", ours), ("fused", theirs))},
    }


def measure_cross(
    images: int, queries: int, keys: int, heads: int, channels: int, dtype: torch.dtype, device: str = "cpu"
) -> float:
    """The largest error of output and gradients; queries are part of a packed projection, in memory."""
    generator = torch.Generator().manual_seed(queries * 1000 + keys)
    width = heads * channels
    sizes = (queries, 3 * width), (keys, 2 * width), (queries, width)
    qkv, kv, weight = (torch.randn(images, *size, generator=generator).to(device, dtype) for size in sizes)
    found, expected = [], []
    for kind, results in ((dtype, found), (torch.float64, expected)):
        q, packed = qkv.to(kind)[..., :width].detach().requires_grad_(), kv.to(kind).detach().requires_grad_()
        if results is found:
            out = short_cross_attention(q, packed, heads)
        else:
            parts = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, *packed.chunk(2, dim=2)))
            out = F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)
        out.backward(weight.to(kind))
        results += [out.detach(), q.grad, packed.grad]
    assert all(x.dtype == dtype and x.shape == y.shape for x, y in zip(found, expected, strict=True))
    return max(error(x, y) for x, y in zip(found, expected, strict=True))


def seen_through(device: str = "cpu") -> dict[str, bool]:
    """Whether compilers and checkpointing see one operator, and change no number."""
    qkv = torch.randn(2, 5, 48, generator=torch.Generator().manual_seed(0)).to(device).requires_grad_()
    weight = torch.ones(2, 5, 16, device=device)
    plain = run(short_attention, qkv, 2, weight)
    compiled = torch.compile(short_attention, backend="aot_eager", fullgraph=True)
    recomputed = partial(checkpoint, short_attention, use_reentrant=False)
    torch.library.opcheck(torch.ops.mirl_mm.short_attention.default, (qkv, 2))
    kv = torch.randn(2, 7, 32, device=device).requires_grad_()
    torch.library.opcheck(torch.ops.mirl_mm.short_cross_attention.default, (qkv[..., :16], kv, 2))
    return {
        name: all(torch.equal(a, b) for a, b in zip(plain, run(function, qkv, 2, weight), strict=True))
        for name, function in (("compiled", compiled), ("recomputed", recomputed))
    }


def main() -> None:
    cases, crosses = json.loads(sys.argv[1])
    errors = [measure(*case[:4], getattr(torch, case[4]), case[5]) for case in cases]
    cross = [measure_cross(*case[:5], getattr(torch, case[5])) for case in crosses]
    print(json.dumps({"errors": errors, "cross": cross, "seen_through": seen_through()}))


if __name__ == "__main__":
    main()
