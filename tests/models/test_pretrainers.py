"""What must hold for any depth, number of segments and image shape, beyond the golden cases."""

import pytest
import torch

from mirl_mm import MAE, MIRL
from mirl_mm.analysis.textbook import PlainFormulation
from mirl_mm.engine.activation_checkpointing import checkpoint_activations
from mirl_mm.models.layers import patchify, take_patches, unpatchify
from mirl_mm.models.pretrainers.random_masking import mask_by_noise, num_visible


def build(num_segments: int = 4, depth: int = 4, img_size=(32, 48), decoder_depth: int = 1, **kwargs) -> MIRL:
    torch.manual_seed(0)
    arch = {"depth": depth, "embed_dims": 24, "num_heads": 3}
    return MIRL(
        {"type": "DeepViT", "arch": arch, "img_size": img_size, "patch_size": 8},
        num_segments=num_segments,
        decoder_embed_dims=16,
        decoder_depth=decoder_depth,
        decoder_num_heads=2,
        **kwargs,
    )


#: Parts of the method left out.
WITHOUT = [{"residual": False}, {"memory": False}, {"residual": False, "memory": False}]


@pytest.mark.parametrize("options", WITHOUT, ids=str)
def test_parts_can_be_left_out(options):
    model = build(4, 4, decoder_depth=2, **options).double()
    images, noise = torch.randn(2, 3, 32, 48).double(), torch.rand(2, 24)
    losses = model(images, mode="loss", noise=noise)
    pairs = options.get("residual", True)
    assert list(losses) == ["loss", *(["pair_1_4", "pair_2_3"] if pairs else [f"segment_{g}" for g in (1, 2, 3, 4)])]
    plain = PlainFormulation(model)(images, noise)
    torch.testing.assert_close(losses, plain, rtol=1e-9, atol=0)
    losses["loss"].backward()
    assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)
    groups, _ = model(images, mode="tensor", noise=noise)
    assert [len(group) for group in groups] == ([2, 2] if pairs else [1, 1, 1, 1])
    # What is seen of the shallowest tokens beside the first segment's own output, is seen through the memory alone.
    seen = any(name.startswith(("norms.0.", "embeds.0.")) for name, _ in model.named_parameters())
    assert seen == options.get("memory", True)


CASES = [(2, 2, (32, 48), 1), (2, 6, (16, 16), 2), (4, 4, (32, 48), 3), (4, 12, (64, 24), 2), (8, 8, (32, 32), 1)]


@pytest.mark.parametrize(("num_segments", "depth", "img_size", "decoder_depth"), CASES)
def test_shapes_masks_and_reach_of_the_gradient(num_segments, depth, img_size, decoder_depth):
    model = build(num_segments, depth, img_size, decoder_depth)
    images = torch.randn(3, 3, *img_size)
    patches = img_size[0] * img_size[1] // 64
    groups, mask = model(images, mode="tensor")
    assert len(groups) == num_segments // 2
    assert {part.shape for group in groups for part in group} == {(3, patches, 192)}
    assert mask.sum(dim=1).tolist() == [patches - int(patches * 0.25)] * 3

    losses = model(images, mode="loss")
    assert len(losses) == 1 + (num_segments // 2 if num_segments > 2 else 0)
    losses["loss"].backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("num_segments", "depth", "img_size", "decoder_depth"), CASES)
def test_terms_are_what_the_formula_says(num_segments, depth, img_size, decoder_depth):
    """Pair (g, G + 1 - g): mean over masked patches of the mean over pixels of (y_g + y_{G+1-g} - t)²."""
    model = build(num_segments, depth, img_size, decoder_depth).double()
    images, noise = torch.randn(2, 3, *img_size).double(), torch.rand(2, model.num_patches)
    groups, mask = model(images, mode="tensor", noise=noise)
    patches = patchify(images, (8, 8))
    target = (patches - patches.mean(-1, keepdim=True)) / (patches.var(-1, keepdim=True) + 1e-6).sqrt()
    expected = [((a + b - target).square().mean(-1) * mask).sum() / mask.sum() for a, b in groups]

    samples = model(images, mode="predict", noise=noise)
    measured = torch.stack([torch.stack(list(sample.losses.values())) for sample in samples]).mean(0)
    torch.testing.assert_close(measured, torch.stack(expected), rtol=1e-6, atol=0)
    assert torch.equal(torch.stack([sample.mask for sample in samples]), mask)
    total = model(images, mode="loss", noise=noise)["loss"]
    torch.testing.assert_close(total, torch.stack(expected).mean(), rtol=1e-6, atol=0)


def test_segment_reads_shallower_segments_only():
    """Decoder g sees z_0 ... z_g: a change in a deeper segment's weights leaves shallower predictions alone."""
    model = build(num_segments=4, depth=4)
    images, noise = torch.randn(1, 3, 32, 48), torch.rand(1, 24)
    before, _ = model(images, mode="tensor", noise=noise)
    with torch.no_grad():
        model.backbone.blocks[2].mlp.fc2.bias += torch.randn(24)  # segment 3
    after, _ = model(images, mode="tensor", noise=noise)
    same = [[torch.equal(a, b) for a, b in zip(*groups, strict=True)] for groups in zip(before, after, strict=True)]
    assert same == [[True, False], [True, False]]  # (1, 4), (2, 3)


def test_recomputation_changes_no_loss_or_gradient():
    plain, recomputed = build(), build()
    checkpoint_activations(recomputed)
    images, noise = torch.randn(2, 3, 32, 48), torch.rand(2, 24)
    for model in (plain, recomputed):
        model(images, mode="loss", noise=noise)["loss"].backward()
    for (name, p), q in zip(plain.named_parameters(), recomputed.parameters(), strict=True):
        assert p.grad is None or torch.equal(p.grad, q.grad), name


def test_loss_is_float32_under_autocast():
    model = build()
    images, noise = torch.randn(2, 3, 32, 48), torch.rand(2, 24)
    exact = model(images, mode="loss", noise=noise)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = model(images, mode="loss", noise=noise)
    assert losses["loss"].dtype == torch.float32
    torch.testing.assert_close(losses["loss"], exact["loss"], rtol=1e-2, atol=0)


def test_patches_and_back():
    images = torch.randn(2, 3, 16, 24)
    patches = patchify(images, (8, 4))
    assert torch.equal(unpatchify(patches, (2, 6), (8, 4)), images)
    ids = torch.tensor([[11, 0], [3, 7]])
    taken = take_patches(images, ids, (8, 4))
    assert torch.equal(taken[0, 0], images[0, :, 8:, 20:])
    assert torch.equal(taken[1, 1], images[1, :, 8:, 4:8])


def test_masking_polarity():
    masking = mask_by_noise(torch.tensor([[0.9, 0.1, 0.5, 0.3]]), 1)
    assert masking.ids_keep.tolist() == [[1]]
    assert masking.mask.tolist() == [[1, 0, 1, 1]]


@pytest.mark.parametrize("ratio", [0, 1, 0.0, 1.0, -0.1, 1.5])
def test_mask_ratio_outside(ratio):
    with pytest.raises(ValueError, match=f"mask_ratio must lie between 0 and 1, both excluded, got {ratio}"):
        build(mask_ratio=ratio)


def test_mask_ratio_that_leaves_nothing():
    with pytest.raises(ValueError, match=r"mask_ratio 0\.9 leaves 0 of 4 patches visible"):
        num_visible(4, 0.9)


@pytest.mark.parametrize(
    ("num_segments", "message"),
    [
        (3, r"num_segments=3 is not an even number for the backbone's 12 blocks: use one of \[2, 4, 6, 12\]"),
        (8, r"num_segments=8 does not divide the backbone's 12 blocks: use one of \[2, 4, 6, 12\]"),
        (0, "num_segments=0 is not an even number"),
    ],
)
def test_bad_number_of_segments(num_segments, message):
    with pytest.raises(ValueError, match=message):
        build(num_segments, depth=12)


def test_bad_inputs():
    model = build()
    with pytest.raises(ValueError, match=r"images of \(32, 48\) \(H, W\), got \(48, 32\)"):
        model(torch.randn(1, 3, 48, 32), mode="loss")
    with pytest.raises(ValueError, match=r"noise must be \(1, 24\) \(batch, patches\), got \(1, 6\)"):
        model(torch.randn(1, 3, 32, 48), mode="loss", noise=torch.rand(1, 6))
    with pytest.raises(ValueError, match="mode must be 'loss', 'predict' or 'tensor', got 'train'"):
        model(torch.randn(1, 3, 32, 48), mode="train")


def test_mae_has_one_term():
    torch.manual_seed(0)
    arch = {"depth": 3, "embed_dims": 24, "num_heads": 3}
    backbone = {"type": "DeepViT", "arch": arch, "img_size": (16, 24), "patch_size": 8}
    model = MAE(backbone, decoder_embed_dims=16, decoder_depth=2, decoder_num_heads=2)
    images = torch.randn(2, 3, 16, 24)
    losses = model(images, mode="loss")
    assert list(losses) == ["loss"]
    losses["loss"].backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
