import pytest
import torch

from mirl_mm.registry import MODELS


def build(**kwargs):
    return MODELS.build({"type": "SimpleFPN", "in_channels": 16, "out_channels": 8, **kwargs})


def test_levels_of_a_wide_map():
    levels = build()((torch.randn(2, 16, 6, 10),))
    assert [level.shape for level in levels] == [
        (2, 8, 24, 40),
        (2, 8, 12, 20),
        (2, 8, 6, 10),
        (2, 8, 3, 5),
        (2, 8, 2, 3),
    ]
    assert torch.equal(levels[4], levels[3][:, :, ::2, ::2])


def test_fewer_and_more_levels():
    x = (torch.randn(1, 16, 8, 8),)
    assert [level.shape[2] for level in build(scales=(2, 1), num_outs=2)(x)] == [16, 8]
    assert [level.shape[2] for level in build(scales=(2, 1, 0.5), num_outs=5)(x)] == [16, 8, 4, 2, 1]


def test_every_parameter_has_a_gradient():
    neck = build()
    sum(level.square().mean() for level in neck((torch.randn(1, 16, 4, 4),))).backward()
    assert all(p.grad is not None for p in neck.parameters())
    assert not any(name.endswith("0.bias") for name, _ in neck.lateral_convs.named_parameters())


def test_norms_are_over_channels():
    for level in build(num_outs=4)((torch.randn(1, 16, 4, 4),)):
        torch.testing.assert_close(level.mean(dim=1), torch.zeros_like(level[:, 0]), rtol=0, atol=1e-5)


def test_batch_norm_takes_away_what_all_places_share():
    neck = build(norm_cfg={"type": "BN"})
    shared = 100 * torch.randn(1, 16, 1, 1)
    torch.manual_seed(0)
    x = torch.randn(2, 16, 8, 8)
    level = neck((x + shared,))[0]
    torch.testing.assert_close(level.mean(dim=(0, 2, 3)), torch.zeros(8), rtol=0, atol=1e-5)
    assert level.var(dim=(0, 2, 3), unbiased=False).min() > 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scales": (1, 3)}, r"scales must be some of 4, 2, 1, 0.5, in this order, got \(1, 3\)"),
        ({"scales": (1, 2)}, r"in this order, got \(1, 2\)"),
        ({"norm_cfg": {"type": "GN"}}, "norm_cfg has type='GN': SimpleFPN has LN2d, BN, SyncBN"),
        ({"num_outs": 3}, "num_outs must be at least the number of scales, 4, got 3"),
        ({"in_channels": 18}, "scale 4 needs in_channels divisible by it, got 18"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)


def test_several_maps():
    with pytest.raises(ValueError, match="takes one map, got 2: set the backbone's out_indices=-1"):
        build()((torch.randn(1, 16, 4, 4),) * 2)
