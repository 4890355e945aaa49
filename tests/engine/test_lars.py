"""LARS against the steps of facebookresearch/mae, written out."""

import numpy as np
import pytest
import torch

from mirl_mm.engine import LARS


def reference(weight: np.ndarray, gradients: list[np.ndarray], lr: float, decay: float) -> np.ndarray:
    """MAE's rule in NumPy: momentum 0.9, trust 0.001; no decay and no trust ratio for one axis."""
    weight, buffer = weight.copy(), np.zeros_like(weight)
    for gradient in gradients:
        update = gradient
        if weight.ndim > 1:
            update = gradient + decay * weight
            norms = np.sqrt((weight**2).sum()), np.sqrt((update**2).sum())
            update = update * (0.001 * norms[0] / norms[1] if min(norms) > 0 else 1.0)
        buffer = 0.9 * buffer + update
        weight = weight - lr * buffer
    return weight


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(5, 4), (5,)])
@pytest.mark.parametrize("start", ["random", "zero"])
def test_steps_are_maes(shape, decay, start):
    rng = np.random.default_rng(0)
    weight = rng.normal(size=shape) if start == "random" else np.zeros(shape)
    gradients = [rng.normal(size=shape) for _ in range(4)] + [np.zeros(shape)]
    parameter = torch.nn.Parameter(torch.from_numpy(weight.copy()))
    optimizer = LARS([parameter], lr=6.4, weight_decay=decay)
    for gradient in gradients:
        parameter.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        assert np.array_equal(parameter.grad.numpy(), gradient)  # left as it was, for those who look at it
    expected = reference(weight, gradients, 6.4, decay)
    np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-12, atol=1e-14)


def test_state_is_resumed():
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    first = LARS([parameter], lr=0.1)
    parameter.grad = torch.ones(2, 2)
    first.step()
    second = LARS([parameter], lr=0.5)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.state[parameter]["momentum_buffer"], first.state[parameter]["momentum_buffer"])


def test_negative_values():
    with pytest.raises(ValueError, match=r"LARS: momentum must not be negative, got -0\.9"):
        LARS([torch.nn.Parameter(torch.ones(1))], lr=0.1, momentum=-0.9)
