import pytest
import torch
from mmcv.ops import PSAMask


def pair_by_pair(masks: torch.Tensor, size: tuple[int, int], collect: bool) -> torch.Tensor:
    """The weight that the mask at a pixel gives to another one, for all pairs."""
    batch, _, height, width = masks.shape
    weights = masks.new_zeros(batch, height * width, height, width)
    for y in range(height):
        for x in range(width):
            for i in range(height * width):
                row, column = i // width - y + (size[0] - 1) // 2, i % width - x + (size[1] - 1) // 2
                if 0 <= row < size[0] and 0 <= column < size[1]:
                    weight = masks[:, row * size[1] + column, y, x]
                    if collect:
                        weights[:, i, y, x] = weight
                    else:
                        weights[:, y * width + x, i // width, i % width] = weight
    return weights


@pytest.mark.parametrize("kind", ["collect", "distribute"])
@pytest.mark.parametrize("size", [(7, 9), (3, 3), (4, 2)])
def test_pair_by_pair(kind, size):
    masks = torch.randn(2, size[0] * size[1], 4, 5, requires_grad=True)
    out, expected = PSAMask(kind, size)(masks), pair_by_pair(masks, size, kind == "collect")
    assert torch.equal(out, expected)
    weights = torch.randn_like(out)
    grads = [torch.autograd.grad((o * weights).sum(), masks)[0] for o in (out, expected)]
    assert torch.equal(*grads)
