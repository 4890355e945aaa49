"""The short-sequence kernels in Triton's interpreter, and what is chosen without a GPU."""

import json
import sys
from importlib.util import find_spec

import pytest
import torch

from mirl_mm.models.layers import attention, attention_dispatch
from mirl_mm.models.layers.attention_short import check_short
from tests.training import run_tool

#: Images, tokens, heads, channels of a head, type, layout in memory.
CASES = [
    *((2, tokens, 2, 32, "float32", "contiguous") for tokens in (1, 2, 16, 17, 50, 64, 65, 128)),
    *((1, 33, 2, channels, "float32", "contiguous") for channels in (8, 12, 24, 64, 80, 128)),
    (3, 17, 2, 16, "float32", "transposed"),
    (2, 50, 2, 64, "float32", "strided"),
    (2, 50, 3, 32, "float16", "contiguous"),
    (1, 65, 1, 80, "float16", "strided"),
]
#: Images, queries, keys, heads, channels of a head, type.
CROSS = [
    (1, 147, 50, 2, 32, "float32"),  # three blocks of queries, the last in part
    (2, 3, 17, 2, 16, "float32"),
    (1, 65, 100, 1, 24, "float32"),
    (1, 64, 1, 2, 64, "float16"),
]
#: Of output and gradient. The interpreter can't multiply bfloat16: float16 takes the same lines.
TOLERANCES = {"float32": 1e-6, "float16": 5e-4}


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_kernels_agree_with_float64():
    outcome = run_tool("-m", "tests.models.interpreted", json.dumps([CASES, CROSS]), TRITON_INTERPRET="1")
    assert outcome.returncode == 0, outcome.stderr[-3000:]
    found = json.loads(outcome.stdout.splitlines()[-1])
    assert len(found["errors"]) == len(CASES)
    for case in found["errors"]:
        assert max(case["ours"]) < TOLERANCES[case["dtype"]], case
    for case, error in zip(CROSS, found["cross"], strict=True):
        assert error < TOLERANCES[case[-1]], case
    assert found["seen_through"] == {"compiled": True, "recomputed": True}


@pytest.mark.parametrize(
    ("width", "tokens", "heads", "message"),
    [
        (48, 129, 2, "up to 128 tokens and 128 channels a head, got 129 and 8: use attend"),
        (3 * 136, 5, 1, "up to 128 tokens and 128 channels a head, got 5 and 136"),
        (50, 5, 2, "the width 50 of qkv is no multiple of 3 x 2 heads"),
    ],
)
def test_what_the_kernels_do_not_take(width, tokens, heads, message):
    with pytest.raises(ValueError, match=message):
        check_short(tokens, width, 3, heads)


@pytest.fixture
def gpu(monkeypatch):
    """Tensors on ``meta`` stand for those on a GPU, and the kernels that would compute them are noted."""
    taken = []
    monkeypatch.setattr(attention_dispatch, "on_gpu", lambda x: x.device.type == "meta")
    monkeypatch.setattr(attention_dispatch, "kernels_run", lambda: True)
    monkeypatch.setattr(
        attention, "short_attention", lambda x, heads: taken.append("short") or x[..., : x.shape[2] // 3]
    )
    monkeypatch.setattr(attention, "sdpa_kernel", lambda kind: taken.append(kind.name) or torch.no_grad())
    return taken


@pytest.mark.parametrize(
    ("tokens", "heads", "channels", "dtype", "expected"),
    [
        (50, 12, 64, torch.bfloat16, ["short"]),  # B-48
        (50, 12, 32, torch.bfloat16, ["short"]),  # S-54
        (17, 6, 32, torch.float16, ["short"]),
        (50, 12, 32, torch.float32, []),
        (65, 12, 32, torch.bfloat16, []),
        (50, 2, 128, torch.bfloat16, []),
        (197, 12, 64, torch.bfloat16, []),  # fine-tuning
    ],
)
def test_choice_by_size(gpu, tokens, heads, channels, dtype, expected):
    qkv = torch.empty(2, tokens, 3 * heads * channels, dtype=dtype, device="meta")
    assert attention.attend_packed(qkv, heads).shape == (2, tokens, heads * channels)
    assert gpu == expected


@pytest.mark.parametrize(("keys", "expected"), [(50, ["short"]), (64, ["short"]), (100, [])])
def test_the_number_of_keys_decides(gpu, keys, expected, monkeypatch):
    """Of queries there may be more: a decoder's, to one segment of the memory."""
    monkeypatch.setattr(attention, "short_cross_attention", lambda q, *_: gpu.append("short") or q)
    q, kv = (torch.empty(2, n, width, dtype=torch.bfloat16, device="meta") for n, width in ((147, 512), (keys, 1024)))
    assert attention.attend_to(q, kv, 16).shape == q.shape
    assert gpu == expected


def test_without_triton_the_memory_efficient_kernel(gpu, monkeypatch):
    monkeypatch.setattr(attention_dispatch, "kernels_run", lambda: False)
    attention.attend_packed(torch.empty(2, 50, 3 * 64, dtype=torch.bfloat16, device="meta"), 2)
    assert gpu == ["EFFICIENT_ATTENTION"]


def test_on_the_cpu_nothing_changes():
    qkv = torch.randn(2, 50, 96)
    assert not attention_dispatch.use_short(qkv, 3, 2)
    assert torch.equal(attention.attend_packed(qkv, 2), attention.attend(*qkv.chunk(3, dim=2), 2))
    assert "mirl_mm.models.layers.attention_short_kernels" not in sys.modules  # nor is triton needed
