"""Counting what a forward pass keeps."""

import torch
from torch import nn

from mirl_mm.analysis.activations import kept_bytes, storages


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
