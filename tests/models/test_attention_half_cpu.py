"""Half-precision attention on a CPU: every way of computing it is as near to the truth as PyTorch's own."""

import pytest
import torch
import torch.nn.functional as F

from mirl_mm.models.layers import attend, attention_half_cpu
from mirl_mm.models.layers.attention_half_cpu import attend_half

HEADS, CHANNELS = 3, 48


def tokens(*lengths: int, seed: int = 0) -> list[torch.Tensor]:
    """bfloat16 leaves (2, N, C) whose scores spread as in a trained model (deviation about 4)."""
    generator = torch.Generator().manual_seed(seed)
    return [(2 * torch.randn(2, n, CHANNELS, generator=generator)).bfloat16().requires_grad_() for n in lengths]


def result(function, leaves: list[torch.Tensor]) -> list[torch.Tensor]:
    """Output and gradients, in float64."""
    out = function(*leaves)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(9)).to(out.dtype)
    return [x.detach().double() for x in (out, *torch.autograd.grad(out, leaves, weight))]


def native(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    q, k, v = (x.unflatten(2, (HEADS, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def errors(found: list[torch.Tensor], truth: list[torch.Tensor]) -> list[float]:
    return [((a - b).norm() / b.norm()).item() for a, b in zip(found, truth, strict=True)]


@pytest.mark.parametrize("lengths", [(7, 7, 7), (5, 11, 11), (60, 33, 33)])
@pytest.mark.parametrize("max_scores", [10**6, 0], ids=["short", "long"])
def test_as_exact_as_the_kernel_of_pytorch(monkeypatch, lengths, max_scores):
    monkeypatch.setattr(attention_half_cpu, "MAX_SCORES", max_scores)
    leaves = tokens(*lengths)
    truth = result(native, [x.detach().double().requires_grad_() for x in leaves])
    ours = errors(result(lambda *x: attend(*x, num_heads=HEADS), leaves), truth)
    theirs = errors(result(native, leaves), truth)
    assert max(ours) < 0.02
    for mine, other in zip(ours, theirs, strict=True):
        assert mine < 1.5 * other


@pytest.mark.parametrize("max_scores", [10**6, 0], ids=["short", "long"])
def test_the_same_under_autocast(monkeypatch, max_scores):
    monkeypatch.setattr(attention_half_cpu, "MAX_SCORES", max_scores)
    leaves = tokens(6, 9, 9)
    outside = result(lambda *x: attend(*x, num_heads=HEADS), leaves)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = result(lambda *x: attend(*x, num_heads=HEADS), leaves)
    assert all(torch.equal(a, b) for a, b in zip(outside, inside, strict=True))


def test_large_scores_keep_their_differences():
    """Keys with a common offset: scores near 1000, a few apart. bfloat16 scores would be 4 apart from each other."""
    q = torch.full((1, 1, 1, 16), 16.0, dtype=torch.bfloat16, requires_grad=True)
    k = torch.full((1, 1, 8, 16), 16.0, dtype=torch.bfloat16)
    k[..., 0] -= torch.arange(8) / 2
    v = torch.eye(8, 16, dtype=torch.bfloat16)[None, None]
    found = attend_half(q, k, v).double()
    truth = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    torch.testing.assert_close(found, truth, rtol=0.01, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "requires_grad", "lengths", "way"),
    [
        (torch.bfloat16, True, (512, 512), "ShortAttentionBackward"),
        (torch.bfloat16, True, (513, 512), "ToCopyBackward0"),
        (torch.float16, True, (8, 8), "ToCopyBackward0"),
        (torch.bfloat16, False, (8, 8), None),
    ],
)
def test_which_way_is_taken(dtype, requires_grad, lengths, way):
    q, k = (torch.randn(1, 1, n, 8, dtype=dtype, requires_grad=requires_grad) for n in lengths)
    out = attend_half(q, k, k)
    assert out.dtype == dtype
    assert (type(out.grad_fn).__name__ if way else out.grad_fn) == way


def test_float32_is_pytorchs_own():
    leaves = [x.detach().float().requires_grad_() for x in tokens(6, 9, 9)]
    ours, theirs = result(lambda *x: attend(*x, num_heads=HEADS), leaves), result(native, leaves)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
