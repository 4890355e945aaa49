import math

import pytest
import torch
from mmcv.ops import roi_pool

ROIS = torch.tensor(
    [
        [0, 0, 0, 31, 27],
        [1, 3.3, 5.1, 17.9, 20.2],
        [0, 12, 8, 12, 8],
        [1, -20, -10, 80, 60],
        [0, 40, 40, 60, 60],  # outside
        [1, 20, 20, 10, 10],  # without area
    ]
)
SCALE = 0.25


def bin_by_bin(features: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The maximum of the pixels that each bin touches; the right and bottom pixels belong to a box."""
    pooled = []
    for image, left, top, right, bottom in ROIS.double().tolist():
        y, x = top * SCALE, left * SCALE
        step_y, step_x = ((bottom + 1) * SCALE - y) / size[0], ((right + 1) * SCALE - x) / size[1]
        for row in range(size[0]):
            for column in range(size[1]):
                rows = slice(max(math.floor(y + row * step_y), 0), max(math.ceil(y + (row + 1) * step_y), 0))
                columns = slice(max(math.floor(x + column * step_x), 0), max(math.ceil(x + (column + 1) * step_x), 0))
                pixels = features[int(image), :, rows, columns].flatten(1)
                empty = pixels.numel() == 0 or min(step_y, step_x) <= 0
                pooled.append(features.new_zeros(features.size(1)) if empty else pixels.amax(dim=1))
    return torch.stack(pooled).view(len(ROIS), *size, -1).permute(0, 3, 1, 2)


@pytest.mark.parametrize("size", [(2, 3), (7, 7)])
def test_bin_by_bin(size):
    features = torch.randn(2, 3, 8, 9, dtype=torch.double, requires_grad=True)
    out, expected = roi_pool(features, ROIS.double(), size, SCALE), bin_by_bin(features, size)
    assert torch.equal(out, expected) and out[4:].eq(0).all() and out[:3].ne(0).all()
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    grads = [torch.autograd.grad((o * weights).sum(), features)[0] for o in (out, expected)]
    torch.testing.assert_close(*grads, rtol=0, atol=1e-14)


def test_no_boxes():
    features = torch.randn(2, 3, 8, 8, requires_grad=True)
    out = roi_pool(features, torch.zeros(0, 5), (7, 7), SCALE)
    out.sum().backward()
    assert out.shape == (0, 3, 7, 7) and features.grad.eq(0).all()
