"""LARS, the optimiser of MAE's linear probe."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from mirl_mm.registry import OPTIMIZERS


@OPTIMIZERS.register_module()
class LARS(torch.optim.Optimizer):
    """SGD with momentum whose step is scaled to each weight's norm (You, Gitman and Ginsburg, 2017).

    As in facebookresearch/mae ``util/lars.py``: for parameters of two and more axes the update is u = gradient +
    weight_decay * w, times ``trust_coefficient`` * norm(w) / norm(u) (times 1 if either norm is 0). Biases and
    gains, with one axis, have neither weight decay nor scaling. (timm's LARS divides by norm(gradient) +
    weight_decay * norm(w), scales all parameters or none, and without weight decay none by default.)

    Args:
        params: Parameters or groups of them.
        lr: Learning rate.
        weight_decay: Added to the gradient, times the weight.
        momentum: Share of the last update that is kept.
        trust_coefficient: Length of a step over that of the weight, at lr 1 and without momentum.

    Raises:
        ValueError: For a negative value.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        trust_coefficient: float = 0.001,
    ) -> None:
        defaults = dict(lr=lr, weight_decay=weight_decay, momentum=momentum, trust_coefficient=trust_coefficient)
        for name, value in defaults.items():
            if value < 0:
                raise ValueError(f"LARS: {name} must not be negative, got {value}")
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update; ``closure`` computes the loss again, if given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                update = _update(parameter, group)
                state = self.state[parameter]
                if "momentum_buffer" in state:
                    state["momentum_buffer"].mul_(group["momentum"]).add_(update)
                else:
                    state["momentum_buffer"] = update
                parameter.sub_(state["momentum_buffer"], alpha=group["lr"])
        return loss


def _update(parameter: Tensor, group: dict[str, Any]) -> Tensor:
    """A parameter's update before momentum, a new tensor."""
    assert parameter.grad is not None
    if parameter.ndim <= 1:
        return parameter.grad.clone()
    update = parameter.grad.add(parameter, alpha=group["weight_decay"])
    norms = parameter.norm() * group["trust_coefficient"], update.norm()
    # on the device: a comparison in Python would wait for it at every step
    ratio = torch.where((norms[0] > 0) & (norms[1] > 0), norms[0] / norms[1], torch.ones_like(norms[0]))
    return update.mul_(ratio)
