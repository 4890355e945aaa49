import math

import pytest
import torch
from mmcv.ops import roi_align

from tests.mmcv_ops.golden import back, equal, leaves, tensor

SCALE = 0.25


@pytest.mark.parametrize("size", [(7, 7), (3, 5)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("aligned", [True, False])
def test_average_is_mmcvs_to_the_bit(size, ratio, aligned, device):
    features = leaves("roi", ("input",), device=device)["input"]
    out = back(roi_align(features, tensor("roi/rois").to(device), size, SCALE, ratio, "avg", aligned))
    name = f"roi_align/{size[0]}x{size[1]}/sr{ratio}/aligned{int(aligned)}"
    assert equal(out, f"{name}/out") and equal(features.grad, f"{name}/grad")


def test_maximum_is_mmcvs_to_the_bit(device):
    features = leaves("roi", ("input",), device=device)["input"]
    out = back(roi_align(features, tensor("roi/rois").to(device), (7, 7), SCALE, 2, "max", True))
    assert equal(out, "max/out") and equal(features.grad, "max/grad")


def sample(plane: torch.Tensor, y: float, x: float) -> torch.Tensor:
    """A bilinear sample of a map (H, W), written for one point; 0 beyond a pixel outside."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return plane.new_zeros(())
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = math.floor(y), math.floor(x)
    total = plane.new_zeros(())
    for row in (top, top + 1):
        for column in (left, left + 1):
            share = (1 - abs(y - row)) * (1 - abs(x - column))
            if share > 0:
                total = total + share * plane[row, column]
    return total


def bins(features: torch.Tensor, box: list[float], size: tuple[int, int], ratio: int, aligned: bool):
    """The samples of each bin of a box of one channel, point by point."""
    left, top, right, bottom = (edge * SCALE - 0.5 * aligned for edge in box[1:])
    height, width = bottom - top, right - left
    if not aligned:
        height, width = max(height, 1), max(width, 1)
    step = height / size[0], width / size[1]
    grid = [ratio or math.ceil(s) for s in step]
    for row in range(size[0]):
        for column in range(size[1]):
            yield [
                sample(
                    features[int(box[0]), 0],
                    top + (row + (i + 0.5) / grid[0]) * step[0],
                    left + (column + (j + 0.5) / grid[1]) * step[1],
                )
                for i in range(grid[0])
                for j in range(grid[1])
            ]


@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("mode", ["max", "avg"])
def test_point_by_point(ratio, aligned, mode):
    """In float64, against samples taken one at a time; a bin without samples has mmcv's -10000 or the average 0."""
    features = tensor("roi/input")[:, :1].double().requires_grad_()
    rois = tensor("roi/rois").double()
    out = roi_align(features, rois, (3, 5), SCALE, ratio, mode, aligned)
    pool, nothing = (max, -10000.0) if mode == "max" else (lambda samples: sum(samples) / len(samples), 0.0)
    expected = torch.stack(
        [
            pool(samples) if samples else features.new_full((), nothing)
            for box in rois.tolist()
            for samples in bins(features, box, (3, 5), ratio, aligned)
        ]
    )
    torch.testing.assert_close(out.flatten(), expected, rtol=0, atol=1e-12)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype)
    grads = [torch.autograd.grad((o.flatten() * weights).sum(), features)[0] for o in (out, expected)]
    torch.testing.assert_close(*grads, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", ["max", "avg"])
def test_no_boxes(mode):
    features = torch.randn(2, 3, 8, 8, requires_grad=True)
    out = roi_align(features, torch.zeros(0, 5), (7, 7), SCALE, 0, mode, True)
    assert out.shape == (0, 3, 7, 7)
    out.sum().backward()
    assert torch.equal(features.grad, torch.zeros_like(features))
