"""The golden tensors: numbers that the original implementations produced (tests/data/golden)."""

from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).parent / "data" / "golden"


#: Outputs in bfloat16 beside golden ones, as a share of their norm. A rounding changes a number by up to 2^-9 = 0.2 %;
#: of these networks' outputs a CPU's lie 0.4 to 0.9 % away, their losses 2e-5. Gradients, behind twice as many
#: roundings and with terms that cancel, lie up to 3.2 % away, and are allowed three times as much.
BF16 = 0.02


class Golden:
    """One ``.npz``: ``images``, ``noise``, and the groups ``param/``, ``out/`` and ``grad/``.

    Args:
        name: Of the file.
        device: Where images, noise and outputs are put; parameters and gradients stay arrays.
    """

    def __init__(self, name: str, device: torch.device | str = "cpu") -> None:
        arrays = np.load(GOLDEN / f"{name}.npz")
        self.device = device
        self.images = torch.from_numpy(arrays["images"]).to(device)
        self.noise = torch.from_numpy(arrays["noise"]).to(device) if "noise" in arrays else None
        self.param, self.out, self.grad = (
            {key.removeprefix(f"{group}/"): arrays[key] for key in arrays.files if key.startswith(f"{group}/")}
            for group in ("param", "out", "grad")
        )

    def tensors(self, group: str) -> dict[str, torch.Tensor]:
        """The arrays of a group as they are."""
        return {name: torch.from_numpy(np.array(array)) for name, array in getattr(self, group).items()}

    def output(self, name: str) -> torch.Tensor:
        return torch.from_numpy(np.array(self.out[name])).to(self.device)


def check_gradients(model: torch.nn.Module, expected: dict[str, torch.Tensor], tolerance: float = 1e-4) -> None:
    """Every trainable parameter has the golden gradient, within ``tolerance`` of that gradient's norm."""
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert trainable.keys() == expected.keys()
    for name, parameter in trainable.items():
        difference = distance(parameter.grad, expected[name])
        assert difference < tolerance, f"{name}: {difference:.2e}"


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Norm of the difference as a share of the expected tensor's."""
    expected = expected.double()
    return ((found.cpu().double() - expected.cpu()).norm() / expected.norm()).item()
