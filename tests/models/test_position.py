import math

import pytest
import torch

from mirl_mm.models.layers import resample_position, sincos_position
from tests.golden import Golden


@pytest.mark.parametrize("name", ["mirl_6seg_w24", "mae_normpix_w24"])
def test_sincos_equals_golden(name):
    golden = Golden(name)
    for key, dims in (("pos_embed", 24), ("decoder_pos_embed0" if "mirl" in name else "decoder_pos_embed", 16)):
        expected = torch.from_numpy(golden.param[key])
        torch.testing.assert_close(sincos_position(dims, (4, 4)), expected, rtol=0, atol=1e-7)


def test_sincos_of_a_wide_grid_by_hand():
    position = sincos_position(8, (2, 5))[0, 1:].unflatten(0, (2, 5))
    row, column = 1, 3
    expected = [f(n * w) for n in (column, row) for f in (math.sin, math.cos) for w in (1.0, 0.01)]
    torch.testing.assert_close(position[row, column], torch.tensor(expected))


def test_sincos_needs_four_channels():
    with pytest.raises(ValueError, match="divisible by 4, got 30"):
        sincos_position(30, (2, 2))


def test_resampling_keeps_prefix_and_constant_maps():
    position = torch.cat([torch.randn(1, 1, 8), torch.ones(1, 12, 8) * 3], dim=1)
    resampled = resample_position(position, (3, 4), (5, 2))
    assert resampled.shape == (1, 11, 8)
    assert torch.equal(resampled[:, 0], position[:, 0])
    torch.testing.assert_close(resampled[:, 1:], torch.full((1, 10, 8), 3.0))


def test_same_number_of_patches_in_another_shape_is_resampled():
    rows = torch.arange(4.0)[:, None].expand(4, 4).reshape(1, 16, 1)
    resampled = resample_position(rows, (4, 4), (2, 8), num_prefix=0).unflatten(1, (2, 8))[0, ..., 0]
    torch.testing.assert_close(resampled, resampled[:, :1].expand(2, 8))
    assert resampled[0, 0] < resampled[1, 0]


def test_resampling_refuses_a_wrong_grid():
    with pytest.raises(ValueError, match="16 patches is no 3 x 5 grid"):
        resample_position(torch.zeros(1, 17, 8), (3, 5), (4, 4))
