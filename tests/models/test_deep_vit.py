import pytest
import timm
import torch

from mirl_mm import DeepViT
from mirl_mm.engine.activation_checkpointing import checkpoint_activations
from mirl_mm.models.backbones import ARCHS

SMALL = {"depth": 4, "embed_dims": 24, "num_heads": 3}


def small(**kwargs) -> DeepViT:
    torch.manual_seed(0)
    return DeepViT(**{"arch": SMALL, "img_size": (32, 48), "patch_size": 8, **kwargs})


def test_state_dict_keys_and_features_are_timms():
    reference = timm.models.VisionTransformer(
        img_size=(32, 48), patch_size=8, embed_dim=24, depth=4, num_heads=3, num_classes=0, global_pool=""
    ).eval()
    model = small(pos_embed="learned").eval()
    assert model.state_dict().keys() == reference.state_dict().keys()
    model.load_state_dict(reference.state_dict())
    images = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(model.forward_tokens(images)[0], reference.forward_features(images))


@pytest.mark.parametrize("arch", ARCHS)
def test_presets_have_the_papers_size(arch):
    millions = {"vit-s": 21.7, "vit-s-54": 96, "vit-b": 85.8, "vit-b-24": 170.9, "vit-b-48": 341, "vit-l": 303.3}[arch]
    with torch.device("meta"):
        model = DeepViT(arch)
    counted = sum(p.numel() for p in model.parameters() if p.requires_grad) / 1e6
    assert abs(counted - millions) < 0.006 * millions
    assert model.embed_dims // model.num_heads == (32 if model.embed_dims == 384 else 64)


def test_feature_maps_of_a_wide_image_are_in_place():
    model = small(out_indices=(1, -1)).eval()
    images = torch.randn(2, 3, 32, 48)
    maps, tokens = model(images), model.forward_tokens(images)
    assert [m.shape for m in maps] == [(2, 24, 4, 6)] * 2
    assert torch.equal(maps[0][:, :, 2, 5], tokens[0][:, 1 + 2 * 6 + 5])
    assert torch.equal(tokens[0], model.run_blocks(model.embed(images), 0, 2))


def test_embedding_visible_patches_equals_embedding_all():
    model = small()
    images, ids = torch.randn(2, 3, 32, 48), torch.tensor([[0, 23, 7], [5, 6, 11]])
    everything = model.embed(images)
    chosen = torch.cat([everything[:, :1], torch.stack([everything[i, 1 + ids[i]] for i in range(2)])], dim=1)
    torch.testing.assert_close(model.embed(images, ids), chosen, rtol=1e-5, atol=1e-6)


def test_other_image_sizes_resample_positions_at_run_time():
    model = small().eval()
    assert model(torch.randn(1, 3, 64, 24))[0].shape == (1, 24, 8, 3)
    assert model.positions((8, 3)).shape == (1, 25, 24)
    with pytest.raises(ValueError, match="image width 50 is not divisible by the patch width 8: use 48 or 56"):
        model(torch.randn(1, 3, 32, 50))


def test_positions_are_resampled_on_load():
    source = small(img_size=(64, 64), pos_embed="learned")
    model = small(pos_embed="learned")
    model.load_state_dict(source.state_dict())
    torch.testing.assert_close(model.pos_embed, source.positions((4, 6)))


def test_grid_of_a_checkpoint_that_is_not_square():
    source = small(img_size=(16, 48), pos_embed="learned")
    with pytest.raises(ValueError, match=r"12 patches, which is no square grid: set the backbone's pretrained_grid"):
        small(pos_embed="learned").load_state_dict(source.state_dict())
    model = small(pos_embed="learned", pretrained_grid=(2, 6))
    model.load_state_dict(source.state_dict())
    torch.testing.assert_close(model.pos_embed, source.positions((4, 6)))
    model.load_state_dict(model.state_dict())  # a resumed run: its own grid is recognised, too


def test_drop_path_rises_linearly():
    rates = [getattr(block.drop_path, "drop_prob", 0.0) for block in small(drop_path_rate=0.3).blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3])


def gradients(model: DeepViT) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    model.train()(torch.randn(2, 3, 32, 48))[-1].square().mean().backward()
    return {name: p.grad for name, p in model.named_parameters() if p.requires_grad}


def test_checkpointing_changes_no_gradient():
    model = small(drop_path_rate=0.5)
    checkpoint_activations(model)
    plain, recomputed = gradients(small(drop_path_rate=0.5)), gradients(model)
    assert all(torch.equal(plain[name], recomputed[name]) for name in plain)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"arch": "vit-x"}, "unknown arch 'vit-x': choose one of vit-s, "),
        ({"arch": {"depth": 2, "dims": 8}}, r"missing \['embed_dims', 'num_heads'\], unknown \['dims'\]"),
        ({"img_size": (32, 50)}, "image width 50 is not divisible by the patch width 8: use 48 or 56"),
        ({"out_indices": (1, 4)}, r"within the 4 blocks \(0\.\.3\), got \(1, 4\)"),
        ({"drop_path_rate": 1.0}, r"drop_path_rate must lie in \[0, 1\), got 1.0"),
        ({"pos_embed": "cosine"}, "'sincos' or 'learned', got 'cosine'"),
        ({"arch": {**SMALL, "num_heads": 5}}, "num_heads must divide the width 24, got 5"),
        ({"patch_size": (8, 8, 8)}, "patch_size must be one or two positive whole numbers"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        small(**settings)
