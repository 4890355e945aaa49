"""The short-sequence kernels on a GPU; a rehearsal on the CPU (make test-gpu TEST_DEVICE=cpu) interprets them."""

import os
from importlib.util import find_spec

import pytest
import torch

from mirl_mm import MIRL
from mirl_mm.models.layers import attention
from mirl_mm.models.layers.attention import SelfAttention
from mirl_mm.models.layers.attention_short import short_attention
from tests.models.interpreted import measure, measure_cross, run, seen_through

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed"),
]

SHAPES = [
    *((3, tokens, 2, 32, "contiguous") for tokens in (1, 2, 3, 15, 16, 17, 31, 33, 50, 63, 64, 65, 100, 127, 128)),
    *((2, 50, 2, channels, "contiguous") for channels in (8, 12, 16, 24, 40, 64, 80, 96, 128)),
    *((1, tokens, 1, 64, "contiguous") for tokens in (1, 50, 128)),
    (1, 128, 2, 128, "contiguous"),
    (3, 17, 2, 16, "transposed"),
    (2, 50, 3, 64, "strided"),
    (1, 128, 1, 32, "strided"),
]
#: Of output and gradient, as shares of their norms. float32: a GPU's exponential is right to 2 units in the last place
#: beside a CPU's half, so twice what the interpreter is held to. Half precision: inputs, weights and results are
#: rounded, each by a quarter of an epsilon on average; an H100 gave 2.1e-3 and 2.4e-3 in bfloat16.
TOLERANCES = {"float32": 2e-6, "float16": 6e-4, "bfloat16": 5e-3}


@pytest.fixture
def device(gpu) -> str:
    if gpu.type == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("needs TRITON_INTERPRET=1 on a CPU")
    return gpu.type


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_agrees_with_float64(shape, dtype, device):
    if (device, dtype) == ("cpu", "bfloat16"):
        pytest.skip("the interpreter can't multiply bfloat16")
    *sizes, layout = shape
    found = measure(*sizes, getattr(torch, dtype), layout, device)
    assert max(found["ours"]) < TOLERANCES[dtype], found


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("sizes", [(3, 147, 50, 16, 32), (2, 197, 128, 2, 64), (2, 3, 17, 2, 16)], ids=str)
def test_any_number_of_queries(sizes, dtype, device):
    if (device, dtype) == ("cpu", "bfloat16"):
        pytest.skip("the interpreter can't multiply bfloat16")
    assert measure_cross(*sizes, getattr(torch, dtype), device) < TOLERANCES[dtype]


def test_compiled_and_recomputed(device):
    assert seen_through(device) == {"compiled": True, "recomputed": True}


def test_autocast_decides_the_type(device):
    qkv = torch.randn(2, 50, 96, device=device)
    with torch.autocast(device, dtype=torch.float16):
        out = short_attention(qkv, 2)
    kind = torch.float16 if device == "cuda" else torch.float32  # a CPU's autocast is none of the kernel's
    assert out.dtype == kind
    assert torch.equal(out, short_attention(qkv.to(kind), 2))


def test_in_a_graph(device):
    """A captured forward and backward pass, replayed on other numbers."""
    qkv = torch.randn(2, 50, 96, device=device).half()
    weight = torch.randn(2, 50, 32, device=device).half()
    expected = run(short_attention, qkv, 2, weight)
    leaf = torch.zeros_like(qkv).requires_grad_()

    def step() -> tuple[torch.Tensor, torch.Tensor]:
        out = short_attention(leaf, 2)
        return out, torch.autograd.grad(out, leaf, weight)[0]

    if device == "cuda":
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            step()  # compiles
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            found = step()
    leaf.data.copy_(qkv)
    if device == "cuda":
        graph.replay()
    else:
        found = step()
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.fixture
def taken(device, monkeypatch) -> list:
    """Notes where layers take the kernel; in a rehearsal they take it for float16."""
    notes: list[int] = []
    monkeypatch.setattr(attention, "short_attention", lambda *args: notes.append(1) or short_attention(*args))
    if device == "cpu":
        monkeypatch.setattr(attention, "use_short", lambda x, *_: x.dtype == torch.float16 and x.shape[1] <= 64)
    return notes


@pytest.mark.parametrize(("tokens", "short"), [(50, True), (197, False)])
def test_taken_by_the_layer(tokens, short, device, taken):
    layer = SelfAttention(64, 2).to(device)
    x = torch.randn(2, tokens, 64, device=device)
    exact = layer(x)
    assert not taken
    with torch.autocast(device, dtype=torch.float16):
        out = layer(x)
    assert bool(taken) == short
    assert (out - exact).norm() < 5e-3 * exact.norm()


def test_taken_by_pretraining(device, taken, monkeypatch):
    """The encoder's blocks; gradients are as by PyTorch's own kernels but for rounding."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float16  # which the interpreter can multiply
    torch.manual_seed(0)
    arch = {"depth": 4, "embed_dims": 64, "num_heads": 2}
    model = MIRL({"type": "DeepViT", "arch": arch, "img_size": (64, 64), "patch_size": 8}, num_segments=2).to(device)
    images, noise = torch.randn(4, 3, 64, 64, device=device), torch.rand(4, 64, device=device)
    gradients = []
    for short in (True, False):
        with monkeypatch.context() as patch, torch.autocast(device, dtype=dtype):
            if not short:
                patch.setattr(attention, "use_short", lambda *_: False)
            model.zero_grad()
            model(images, mode="loss", noise=noise)["loss"].backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert len(taken) == 4
    assert (gradients[0] - gradients[1]).norm() < 0.02 * gradients[1].norm()
