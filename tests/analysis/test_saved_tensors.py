"""Counting what a forward pass keeps."""

import torch
import torch.nn.functional as F
from torch import nn

from mirl_mm.analysis.saved_tensors import kept_bytes, storages
from mirl_mm.models.layers.device import meta_stands_for


def test_counts_each_storage_once_and_no_parameter():
    layer = nn.Linear(10, 20)
    x = torch.empty(5, 10)

    def run() -> torch.Tensor:
        hidden = layer(x)  # keeps x (5 x 10)
        return hidden.exp() + hidden.exp()  # keep their own outputs (5 x 20 each)

    assert kept_bytes(run, storages(layer)) == 4 * (50 + 2 * 100)


def test_the_meta_device_gives_the_same():
    def count(device: str) -> int:
        with torch.device(device):
            model = nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 1))
            x = torch.empty(6, 8)
        return kept_bytes(lambda: model(x), storages(model))

    assert count("meta") == count("cpu") > 0


def test_a_gpus_fused_attention_keeps_no_scores():
    """Queries, keys, values and output, and a sum for each query."""
    q, k, v = (torch.empty(2, 3, 256, 8, device="meta", requires_grad=True) for _ in range(3))

    def run() -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, scale=0.5)

    with meta_stands_for("cuda"):
        kept = kept_bytes(run)
    assert kept == 4 * (4 * 2 * 3 * 256 * 8 + 2 * 3 * 256)
    assert kept_bytes(run) > 4 * 2 * 3 * 256 * 256
