"""What is shown of a pre-trainer's predictions, pixel by pixel."""

import numpy as np
import pytest
import torch

from mirl_mm import MAE, MIRL
from mirl_mm.models.layers import patchify, unpatchify
from mirl_mm.pretraining.reconstruction import Reconstruction, reconstruct

MEAN, STD = torch.tensor([123.675, 116.28, 103.53])[:, None, None], torch.tensor([58.395, 57.12, 57.375])[:, None, None]
SIZE = (32, 48)


def build(kind=MIRL, num_segments=4, **kwargs):
    torch.manual_seed(0)
    arch = {"depth": 4, "embed_dims": 24, "num_heads": 3}
    if kind is MIRL:
        kwargs["num_segments"] = num_segments
    return kind(
        {"type": "DeepViT", "arch": arch, "img_size": SIZE, "patch_size": 8, "drop_path_rate": 0.5},
        decoder_embed_dims=16,
        decoder_depth=1,
        decoder_num_heads=2,
        data_preprocessor={
            "type": "mmengine.ImgDataPreprocessor",
            "mean": MEAN.flatten().tolist(),
            "std": STD.flatten().tolist(),
        },
        **kwargs,
    )


@pytest.fixture
def batch():
    """Pixels in grey levels ``(B, 3, H, W)``, away from black and white; the model's input; noise."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(3, 3, *SIZE, generator=generator) * 100 + 70
    return pixels, (pixels - MEAN) / STD, torch.rand(3, 24, generator=generator)


def oracle(model, monkeypatch, shares=(0.25, 0.75)):
    """Let the model know the answer: each part is this share of the target at every patch."""

    def components(images, masking, everywhere=False):
        patches = patchify(images, (8, 8))
        mean, std = model.patch_statistics(patches) if model.norm_target else (0, 1)
        return [tuple(share * (patches - mean) / std for share in shares)] * len(model.term_names)

    monkeypatch.setattr(model, "components", components)
    return model


@pytest.mark.parametrize("norm_target", [True, False])
def test_a_perfect_sum_is_the_original_and_parts_add_up(batch, monkeypatch, norm_target):
    pixels, images, noise = batch
    model = oracle(build(norm_target=norm_target), monkeypatch)
    result = reconstruct(model, images, noise)
    shown = result.images
    torch.testing.assert_close(shown["original"], pixels / 255, rtol=0, atol=1e-6)
    for pair in ("pair 1+4", "pair 2+3"):
        torch.testing.assert_close(shown[f"{pair}: sum"], shown["original"], rtol=0, atol=1e-5)
        added = shown[f"{pair}: main"] + shown[f"{pair}: residual"] - 0.5
        torch.testing.assert_close(added, shown[f"{pair}: sum"], rtol=0, atol=1e-5)
    for values in result.losses.values():
        assert values.abs().max() < 1e-8
    mean = patchify(images, (8, 8)).mean(-1, keepdim=True) if norm_target else torch.zeros(())
    quarter = unpatchify(mean + 0.25 * (patchify(images, (8, 8)) - mean), (4, 6), (8, 8)) * STD + MEAN
    everywhere = reconstruct(model, images, noise, paste_visible=False)
    torch.testing.assert_close(everywhere.images["pair 1+4: main"], quarter / 255, rtol=0, atol=1e-5)


def test_what_stands_at_visible_and_masked_patches(batch):
    pixels, images, noise = batch
    model = build()
    result = reconstruct(model, images, noise)
    visible = torch.zeros(3, 24).scatter_(1, noise.argsort(dim=1)[:, :6], 1.0)
    assert torch.equal(result.mask.flatten(1), visible == 0)
    seen = unpatchify(visible[..., None].expand(-1, -1, 192), (4, 6), (8, 8)).bool()
    original = pixels / 255
    for title, picture in result.images.items():
        expected = torch.full_like(original, 0.5) if "residual" in title else original
        torch.testing.assert_close(picture[seen], expected[seen], rtol=0, atol=1e-6)
        if title != "original":
            assert (picture[~seen] - original[~seen]).abs().mean() > 0.02, title
    assert (result.images["masked"][~seen] == 0.5).all()
    bare = reconstruct(model, images, noise, paste_visible=False).images
    for title, picture in bare.items():
        if ":" in title:
            assert torch.equal(picture[~seen], result.images[title][~seen])
            assert (picture[seen] - result.images[title][seen]).abs().mean() > 0.01, title


@pytest.mark.parametrize(("kind", "num_segments"), [(MIRL, 4), (MIRL, 2), (MAE, None)])
def test_losses_are_the_models_own(batch, kind, num_segments):
    _, images, noise = batch
    model = build(kind, num_segments).eval()
    result = reconstruct(model, images, noise)
    for i, sample in enumerate(model(images, mode="predict", noise=noise)):
        assert {name: values[i].item() for name, values in result.losses.items()} == pytest.approx(
            {name: value.item() for name, value in sample.losses.items()}, rel=1e-5
        )


def test_titles():
    images, noise = torch.zeros(1, 3, *SIZE), torch.rand(1, 24)
    parts = ["main", "residual", "sum"]
    pairs = [f"{pair}: {part}" for pair in ("pair 1+4", "pair 2+3") for part in parts]
    assert list(reconstruct(build(), images, noise).images) == ["original", "masked", *pairs]
    assert list(reconstruct(build(MAE), images, noise).images) == ["original", "masked", "prediction"]
    two = reconstruct(build(num_segments=2), images, noise)
    assert list(two.images) == ["original", "masked", *(f"pair 1+2: {part}" for part in parts)]


def test_leaves_no_trace(batch):
    _, images, noise = batch
    model = build()
    model.backbone.norm.eval()  # a frozen part stays in its mode
    modes = {name: module.training for name, module in model.named_modules()}
    state = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(4), np.random.get_state()[1].copy()
    torch.manual_seed(3)
    first, second = reconstruct(model, images, noise), reconstruct(model, images, noise)
    assert torch.equal(torch.rand(4), expected[0])
    assert np.array_equal(np.random.get_state()[1], expected[1])
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(first.images["pair 1+4: sum"], second.images["pair 1+4: sum"])  # no drop path
    assert not first.images["pair 1+4: sum"].requires_grad


def test_caption_says_what_was_used(batch):
    _, images, noise = batch
    assert "mean and std of the original's patches" in reconstruct(build(), images, noise).caption
    plain = reconstruct(build(norm_target=False), images, noise, paste_visible=False).caption
    assert "no statistics of the original" in plain
    assert "never trained" in plain


def test_split_and_join(batch):
    _, images, noise = batch
    whole = reconstruct(build(), images, noise)
    again = Reconstruction.join(whole.split())
    assert len(again) == 3
    assert torch.equal(again.mask, whole.mask)
    for name in whole.images:
        assert torch.equal(again.images[name], whole.images[name])
    for name in whole.losses:
        assert torch.equal(again.losses[name], whole.losses[name])
