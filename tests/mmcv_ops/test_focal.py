import pytest
import torch
import torchvision
from mmcv.ops import sigmoid_focal_loss
from torch.nn.functional import one_hot

CLASSES = 4
TARGETS = torch.tensor([0, 3, 4, 1, 4, 2])  # 4 is background


def logits(dtype: torch.dtype = torch.double) -> torch.Tensor:
    return torch.randn(len(TARGETS), CLASSES, dtype=dtype, generator=torch.Generator().manual_seed(0)).mul(4)


@pytest.mark.parametrize("gamma", [0.0, 1.5, 2.0])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_equals_torchvisions_in_float64(gamma, reduction):
    x = logits().requires_grad_()
    ours = sigmoid_focal_loss(x, TARGETS, gamma, 0.25, None, reduction)
    columns = one_hot(TARGETS, CLASSES + 1)[:, :CLASSES].double()
    theirs = torchvision.ops.sigmoid_focal_loss(x, columns, 0.25, gamma)
    theirs = {"none": theirs, "mean": theirs.sum() / len(x), "sum": theirs.sum()}[reduction]
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
    grads = [torch.autograd.grad(loss.sum(), x)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*grads, rtol=1e-12, atol=1e-14)


def test_weights_are_those_of_the_rows_class():
    weight = torch.tensor([2.0, 3.0, 5.0, 7.0], dtype=torch.double)
    x = logits().requires_grad_()
    plain = sigmoid_focal_loss(x, TARGETS, 2.0, 0.25, None, "none")
    weighted = sigmoid_focal_loss(x, TARGETS, 2.0, 0.25, weight, "none")
    factors = torch.tensor([2.0, 7.0, 1.0, 3.0, 1.0, 5.0], dtype=torch.double)[:, None]
    torch.testing.assert_close(weighted, plain * factors)
    grads = [torch.autograd.grad(loss.sum(), x)[0] for loss in (weighted, plain * factors)]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_sure_scores_give_finite_gradients(gamma):
    x = torch.full((1, 2), 60.0).mul(torch.tensor([1.0, -1.0])).requires_grad_()
    for target in (0, 1, 2):
        loss = sigmoid_focal_loss(x, torch.tensor([target]), gamma, 0.25, None, "sum")
        (grad,) = torch.autograd.grad(loss, x)
        assert loss.isfinite() and grad.isfinite().all()


def test_no_rows():
    x = torch.zeros(0, CLASSES, requires_grad=True)
    loss = sigmoid_focal_loss(x, torch.zeros(0, dtype=torch.long), 2.0, 0.25, None, "sum")
    loss.backward()
    assert loss == 0 and x.grad.shape == (0, CLASSES)
