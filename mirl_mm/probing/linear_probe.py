"""A linear classifier of frozen features without learning rate, schedule or randomness.

Multinomial logistic regression on standardised channels, solved to its optimum by L-BFGS, its one setting chosen on
training images held out, as CLIP's linear probe does (Radford et al. 2021, appendix A.3). The same features always give
the same figure, which a probe trained by SGD does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .knn import topk_accuracy

L2_GRID = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
_HELD_OUT = 5  # one image of so many
_CHUNK = 65536  # images whose scores are held at a time
_ITERATIONS = 1000  # of L-BFGS for each fit, at most


@dataclass
class LinearClassifier:
    """Scores (N, K) = standardised features @ weight.T + bias.

    Attributes:
        weight: (K, C) float64.
        bias: (K,) float64.
        mean: (C,) float64, of the training features.
        std: (C,) float64; 1 for a channel that never changes.
        l2: Strength of the penalty, l2 / 2 * the sum of squared weights beside the mean cross-entropy.
        gradient: Largest entry of the solver's gradient at the end; near 0 at the optimum.
        iterations: Of the solver.
        held_out: Each l2 that was tried to its accuracy in percent on the images held out.
    """

    weight: Tensor
    bias: Tensor
    mean: Tensor
    std: Tensor
    l2: float
    gradient: float
    iterations: int
    held_out: dict[float, float] = field(default_factory=dict)

    def scores(self, features: Tensor, device: str | torch.device = "cpu") -> Tensor:
        """``(N, C)`` -> ``(N, K)`` float32 on the CPU."""
        weight, bias = (tensor.to(device, torch.float32) for tensor in (self.weight, self.bias))
        parts = [
            torch.addmm(bias, _standardised(part, self.mean, self.std, device), weight.t()).cpu()
            for part in features.split(_CHUNK)
        ]
        return torch.cat(parts)


def fit_linear_probe(
    features: Tensor,
    labels: Tensor,
    num_classes: int,
    l2_grid: Sequence[float] = L2_GRID,
    device: str | torch.device = "cpu",
) -> LinearClassifier:
    """Choose the penalty on one image of five (in the order of classes), then fit all images with it.

    Of penalties with equal accuracy the stronger one is taken. Memory is a float32 copy of the features on the device
    (3.9 GB for ImageNet at width 768) and the scores of 65,536 images.

    Args:
        features: ``(N, C)``, of any floating-point type.
        labels: ``(N,)`` int64.
        num_classes: K.
        l2_grid: Penalties to choose from.
        device: Where to compute.

    Raises:
        ValueError: For fewer than five images, or a penalty that is not positive.
    """
    grid = sorted(set(l2_grid), reverse=True)
    if not grid or grid[-1] <= 0:
        raise ValueError(f"penalties l2 must be positive numbers, at least one, got {list(l2_grid)}")
    if len(features) < _HELD_OUT:
        raise ValueError(f"a linear probe needs at least {_HELD_OUT} labelled images, there are {len(features)}")
    held_out: dict[float, float] = {}
    if len(grid) > 1:
        order = labels.argsort(stable=True)
        held = torch.zeros(len(labels), dtype=torch.bool)
        held[order[_HELD_OUT // 2 :: _HELD_OUT]] = True
        problem = _Problem(features[~held], labels[~held], num_classes, device)
        found: LinearClassifier | None = None
        for l2 in grid:
            found = problem.solve(l2, start=found)
            held_out[l2] = topk_accuracy(found.scores(features[held], device), labels[held])
        del problem
    best = max(grid, key=lambda l2: (held_out.get(l2, 0.0), l2))
    fitted = _Problem(features, labels, num_classes, device).solve(best)
    fitted.held_out = held_out
    return fitted


class _Problem:
    """Logistic regression on one set of features; features and scores on the device, the solver on the CPU in float64.

    Channels of deep features are strongly correlated, on which L-BFGS takes thousands of steps. So it works in the
    coordinates V = W Q D^-1 where W are the weights, Q the eigenvectors of the features' covariance and D a scale
    for each: with D^2 = 1 / (eigenvalue / K + l2) the Hessian at uniform scores becomes the identity. The optimum is
    the same.
    """

    def __init__(self, features: Tensor, labels: Tensor, num_classes: int, device: str | torch.device) -> None:
        parts = features.split(_CHUNK)
        self.mean = torch.stack([part.double().sum(dim=0) for part in parts]).sum(dim=0) / len(features)
        squares = torch.stack([(part.double() - self.mean).square().sum(dim=0) for part in parts]).sum(dim=0)
        std = (squares / len(features)).sqrt()
        self.std = std.where(std > 1e-6 * self.mean.abs().clamp(min=1e-6), 1.0)  # of a constant channel 1
        self.x = torch.cat([_standardised(part, self.mean, self.std, device) for part in parts])
        self.labels = labels.to(device)
        self.num_classes = num_classes
        covariance = torch.stack([(part.t() @ part).cpu().double() for part in self.x.split(_CHUNK)]).sum(dim=0)
        self.eigenvalues, self.rotation = torch.linalg.eigh(covariance / len(self.x))

    def solve(self, l2: float, start: LinearClassifier | None = None) -> LinearClassifier:
        """The optimum for a penalty, from zero or from another one's."""
        scale = (self.eigenvalues.clamp(min=0) / self.num_classes + l2).rsqrt()
        turned = torch.zeros(self.num_classes, len(scale), dtype=torch.float64)
        bias = torch.zeros(self.num_classes, dtype=torch.float64)
        if start is not None:
            turned, bias = (start.weight @ self.rotation) / scale, start.bias.clone()
        solver = torch.optim.LBFGS(
            [turned, bias],
            max_iter=_ITERATIONS,
            tolerance_grad=1e-6,
            tolerance_change=1e-10,
            history_size=20,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            weight = (turned * scale) @ self.rotation.t()
            loss, weight_grad, bias.grad = self._cross_entropy(weight, bias)
            turned.grad = ((weight_grad + l2 * weight) @ self.rotation) * scale
            return loss + l2 / 2 * weight.square().sum()

        solver.step(closure)
        closure()
        assert turned.grad is not None and bias.grad is not None
        gradient = max(turned.grad.abs().max().item(), bias.grad.abs().max().item())
        weight = (turned * scale) @ self.rotation.t()
        iterations = solver.state[turned]["n_iter"]
        return LinearClassifier(weight, bias, self.mean, self.std, l2, gradient, iterations)

    def _cross_entropy(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean over the images, and its gradients by weight and bias, in float64 on the CPU."""
        loss, weight_grad, bias_grad = torch.zeros((), dtype=torch.float64), torch.zeros_like(weight), bias * 0
        w, b = (tensor.to(self.x.device, torch.float32) for tensor in (weight, bias))
        for x, labels in zip(self.x.split(_CHUNK), self.labels.split(_CHUNK), strict=True):
            log_probs = torch.addmm(b, x, w.t()).log_softmax(dim=1)
            loss -= log_probs.gather(1, labels[:, None]).cpu().double().sum()  # a rounded sum would mislead the search
            error = log_probs.exp_()
            error[torch.arange(len(x), device=x.device), labels] -= 1
            weight_grad += (error.t() @ x).cpu().double()
            bias_grad += error.sum(dim=0).cpu().double()
        count = len(self.x)
        return loss / count, weight_grad / count, bias_grad / count


def _standardised(features: Tensor, mean: Tensor, std: Tensor, device: str | torch.device) -> Tensor:
    """``(N, C)`` float32 on the device."""
    return ((features.double() - mean) / std).to(device, torch.float32)
