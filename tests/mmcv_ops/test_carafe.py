import pytest
import torch
from mmcv.ops.carafe import carafe
from torch.nn.functional import interpolate, unfold


def by_unfolding(features: torch.Tensor, masks: torch.Tensor, kernel: int, groups: int, scale: int) -> torch.Tensor:
    """All k x k surroundings at once, repeated s times along both sides."""
    batch, channels, height, width = features.shape
    windows = unfold(features, kernel, padding=kernel // 2).view(batch, -1, height, width)
    windows = interpolate(windows, scale_factor=scale, mode="nearest")
    windows = windows.view(batch, groups, channels // groups, kernel**2, *masks.shape[2:])
    return (windows * masks.view(batch, groups, 1, kernel**2, *masks.shape[2:])).sum(dim=3).flatten(1, 2)


@pytest.mark.parametrize(("kernel", "groups", "scale"), [(5, 1, 2), (3, 2, 3), (1, 1, 1)])
def test_equals_the_sum_over_unfolded_windows(kernel, groups, scale):
    features = torch.randn(2, 4, 5, 6, dtype=torch.double, requires_grad=True)
    masks = torch.randn(2, groups * kernel**2, 5 * scale, 6 * scale, dtype=torch.double, requires_grad=True)
    out, expected = (f(features, masks, kernel, groups, scale) for f in (carafe, by_unfolding))
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-13)
    weights = torch.randn_like(out)
    for ours, theirs in zip(
        *(torch.autograd.grad((o * weights).sum(), (features, masks)) for o in (out, expected)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)
