"""The golden tensors: numbers that the original implementations produced (tests/data/golden)."""

from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).parent / "data" / "golden"


class Golden:
    """One ``.npz``: ``images``, ``noise``, and the groups ``param/``, ``out/`` and ``grad/``."""

    def __init__(self, name: str) -> None:
        arrays = np.load(GOLDEN / f"{name}.npz")
        self.images = torch.from_numpy(arrays["images"])
        self.noise = torch.from_numpy(arrays["noise"]) if "noise" in arrays else None
        self.param, self.out, self.grad = (
            {key.removeprefix(f"{group}/"): arrays[key] for key in arrays.files if key.startswith(f"{group}/")}
            for group in ("param", "out", "grad")
        )

    def tensors(self, group: str) -> dict[str, torch.Tensor]:
        """The arrays of a group as they are."""
        return {name: torch.from_numpy(np.array(array)) for name, array in getattr(self, group).items()}

    def output(self, name: str) -> torch.Tensor:
        return torch.from_numpy(np.array(self.out[name]))


def check_gradients(model: torch.nn.Module, expected: dict[str, torch.Tensor], tolerance: float = 1e-4) -> None:
    """Every trainable parameter has the golden gradient, within ``tolerance`` of that gradient's norm."""
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert trainable.keys() == expected.keys()
    for name, parameter in trainable.items():
        difference = (parameter.grad - expected[name]).norm() / expected[name].norm()
        assert difference < tolerance, f"{name}: {difference:.2e}"
