"""Sigmoid focal loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from .op_registration import op


@op("output")
def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss of each element into ``output`` (N, C).

    With p = sigmoid(input), -α (1 - p)^γ log p for the target's class and -(1 - α) p^γ log(1 - p) for the others (Lin
    et al., 2017), which is ``torchvision.ops.sigmoid_focal_loss`` on one-hot targets.

    Args:
        input: Logits (N, C).
        target: Class of each row (N,); one that is not in 0..C - 1 is background.
        weight: Factor of the rows of each class (C,), or empty; background's is 1.
        output: (N, C).
        gamma: γ.
        alpha: α.
    """
    p = input.sigmoid()
    loss = torch.where(
        _is_target(input, target),
        -alpha * (1 - p) ** gamma * logsigmoid(input),
        -(1 - alpha) * p**gamma * logsigmoid(-input),
    )
    output.copy_(loss * _row_weights(target, weight))


@op("grad_input")
def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the derivative of each element's loss by its logit into ``grad_input`` (N, C).

    Written out, since automatic differentiation of (1 - p)^γ gives NaN where p is 1 in float32 and γ < 1.
    """
    p = input.sigmoid()
    grad = torch.where(
        _is_target(input, target),
        -alpha * (1 - p) ** gamma * (1 - p - gamma * p * logsigmoid(input)),
        -(1 - alpha) * p**gamma * (gamma * (1 - p) * logsigmoid(-input) - p),
    )
    grad_input.copy_(grad * _row_weights(target, weight))


def _is_target(input: Tensor, target: Tensor) -> Tensor:
    """Where a column (N, C) is the row's class."""
    return target[:, None] == torch.arange(input.size(1), device=input.device)


def _row_weights(target: Tensor, weight: Tensor) -> Tensor | float:
    """The weight (N, 1) of each row's class."""
    if not weight.numel():
        return 1.0
    is_class = (target >= 0) & (target < len(weight))
    return torch.where(is_class, weight[target.where(is_class, 0)], 1.0)[:, None]
