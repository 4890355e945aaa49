"""The linear probe against an independent solution of the same problem."""

import pytest
import torch

from mirl_mm.probing import linear_probe
from mirl_mm.probing.knn import topk_accuracy
from mirl_mm.probing.linear_probe import fit_linear_probe


def problem(num=240, channels=10, classes=4, apart=1.0, seed=0):
    """Correlated channels of very different size and offset, classes that overlap."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num) % classes
    centres = torch.randn(classes, channels, generator=generator) * apart
    mix = torch.randn(channels, channels, generator=generator) * torch.logspace(1, -2, channels)
    features = (centres[labels] + torch.randn(num, channels, generator=generator)) @ mix + 5
    return features, labels


def penalised_loss(features, labels, weight, bias, l2):
    """Mean cross-entropy on standardised features and the penalty, in float64."""
    x = features.double()
    x = (x - x.mean(dim=0)) / x.std(dim=0, correction=0)
    return torch.nn.functional.cross_entropy(x @ weight.t() + bias, labels) + l2 / 2 * weight.square().sum()


def newton(features, labels, classes, l2):
    """Weights on standardised features by Newton's method with the whole Hessian, in float64, by autograd alone."""
    channels = features.shape[1]

    def objective(flat):
        weight, bias = flat[: classes * channels].view(classes, -1), flat[classes * channels :]
        # adding the same to every bias changes nothing: hold their mean at 0, so that the Hessian has an inverse
        return penalised_loss(features, labels, weight, bias, l2) + bias.mean().square()

    flat = torch.zeros(classes * (channels + 1), dtype=torch.float64)
    for _ in range(30):
        flat = flat.detach().requires_grad_()
        gradient = torch.autograd.grad(objective(flat), flat)[0]
        hessian = torch.autograd.functional.hessian(objective, flat)
        flat = flat - torch.linalg.solve(hessian, gradient)
    assert gradient.abs().max() < 1e-9
    return flat[: classes * channels].view(classes, -1).detach(), flat[classes * channels :].detach()


@pytest.mark.parametrize("l2", [1.0, 0.01, 0.001])
def test_reaches_the_optimum(l2, device):
    features, labels = problem()
    weight, bias = newton(features, labels, 4, l2)
    found = fit_linear_probe(features, labels, 4, [l2], device=device)
    assert found.l2 == l2
    assert found.gradient < 1e-4  # features are float32
    # Scores in float32 leave a gradient, and where the objective curves by l2 alone that is gradient / l2 of a weight.
    near = 2e-4 if l2 >= 0.01 else found.gradient / l2
    torch.testing.assert_close(found.weight, weight, atol=near, rtol=1e-3)
    torch.testing.assert_close(found.bias - found.bias.mean(), bias - bias.mean(), atol=near, rtol=1e-3)
    best = penalised_loss(features, labels, weight, bias, l2)
    assert 0 <= penalised_loss(features, labels, found.weight, found.bias, l2) - best < 1e-7


def test_chunks_and_repeats_change_nothing(monkeypatch):
    features, labels = problem()
    whole, again = (fit_linear_probe(features, labels, 4) for _ in range(2))
    assert torch.equal(whole.weight, again.weight)
    monkeypatch.setattr(linear_probe, "_CHUNK", 37)
    parts = fit_linear_probe(features, labels, 4)
    assert parts.l2 == whole.l2
    torch.testing.assert_close(parts.scores(features), whole.scores(features), atol=0.01, rtol=0.01)


def test_separable_classes_are_separated():
    features, labels = problem(apart=6.0)
    found = fit_linear_probe(features, labels, 4)
    assert topk_accuracy(found.scores(features), labels) == 100


def test_penalty_is_the_one_that_generalises():
    """Many channels of noise, few images: hardly any penalty means learning the noise by heart."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(120) % 2
    features = torch.randn(120, 100, generator=generator)
    features[:, 0] += 3.0 * labels
    found = fit_linear_probe(features, labels, 2, (1.0, 1e-6))
    assert list(found.held_out) == [1.0, 1e-6]
    assert found.l2 == 1.0
    assert found.held_out[1.0] > found.held_out[1e-6]


def test_of_equal_penalties_the_stronger():
    features, labels = problem(apart=20.0)
    found = fit_linear_probe(features, labels, 4, (1e-4, 1e-2, 1e-3))
    assert set(found.held_out.values()) == {100.0}
    assert found.l2 == 1e-2


def test_constant_channels_and_a_class_without_images():
    features, labels = problem()
    features[:, 3] = 7.0
    found = fit_linear_probe(features, labels, 6, [0.1])
    assert found.std[3] == 1
    assert found.weight[:, 3].abs().max() < 1e-12
    scores = found.scores(features)
    assert scores.isfinite().all()
    assert (scores.argmax(dim=1) < 4).all()


def test_refusals():
    features, labels = problem(4)
    with pytest.raises(ValueError, match="needs at least 5 labelled images, there are 4"):
        fit_linear_probe(features, labels, 4)
    with pytest.raises(ValueError, match=r"must be positive numbers, at least one, got \[0.1, 0\]"):
        fit_linear_probe(features, labels, 4, [0.1, 0])
