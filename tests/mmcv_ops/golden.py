"""What mmcv's compiled ops gave (mmcv 2.3.6, torch 2.12.1, float32 on a CPU)."""

import numpy as np
import torch
from torch import Tensor

from tests.golden import GOLDEN

ARRAYS = np.load(GOLDEN / "mmcv_ops.npz")


#: :func:`error` of float32 on a GPU, which fuses and orders sums of a dozen terms in another way: roundings of 6e-8.
ON_GPU = 2e-6


def tensor(name: str) -> Tensor:
    return torch.from_numpy(np.array(ARRAYS[name]))


def leaves(
    prefix: str, names: tuple[str, ...], dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> dict[str, Tensor]:
    """Inputs that want gradients."""
    return {name: tensor(f"{prefix}/{name}").to(device, dtype).requires_grad_() for name in names}


def back(out: Tensor) -> Tensor:
    """Go backward from what the golden gradients are of; returns the output."""
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).to(out.device).view_as(out)
    (out * weights).sum().backward()
    return out.detach()


def equal(ours: Tensor, name: str) -> bool:
    """To the bit on a CPU; on a GPU within :data:`ON_GPU`, whole numbers exactly."""
    if ours.is_cpu or not ours.is_floating_point():
        return torch.equal(ours.cpu(), tensor(name))
    return ours.shape == tensor(name).shape and error(ours, name) < ON_GPU


def error(ours: Tensor, name: str) -> float:
    """Largest difference, as a share of the largest golden value."""
    golden = tensor(name)
    return ((ours.cpu() - golden).abs().max() / golden.abs().max()).item()
