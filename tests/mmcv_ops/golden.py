"""What mmcv's compiled ops gave (mmcv 2.3.6, torch 2.12.1, float32 on a CPU)."""

import numpy as np
import torch
from torch import Tensor

from tests.golden import GOLDEN

ARRAYS = np.load(GOLDEN / "mmcv_ops.npz")


def tensor(name: str) -> Tensor:
    return torch.from_numpy(np.array(ARRAYS[name]))


def leaves(prefix: str, names: tuple[str, ...], dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Inputs that want gradients."""
    return {name: tensor(f"{prefix}/{name}").to(dtype).requires_grad_() for name in names}


def back(out: Tensor) -> Tensor:
    """Go backward from what the golden gradients are of; returns the output."""
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).sum().backward()
    return out.detach()


def equal(ours: Tensor, name: str) -> bool:
    """To the bit."""
    return torch.equal(ours, tensor(name))


def error(ours: Tensor, name: str) -> float:
    """Largest difference, as a share of the largest golden value."""
    golden = tensor(name)
    return ((ours - golden).abs().max() / golden.abs().max()).item()
