"""DeepViT as a detection backbone: windows, relative positions, no class token."""

import pytest
import torch

from mirl_mm import MIRL, DeepViT, ImageClassifier
from mirl_mm.checkpoint.load_report import compare
from mirl_mm.engine.activation_checkpointing import checkpoint_activations
from mirl_mm.engine.compilation import compile_training
from mirl_mm.models.backbones.settings import ends_of_quarters

SMALL = {"depth": 4, "embed_dims": 24, "num_heads": 3}


def detection(**kwargs) -> DeepViT:
    torch.manual_seed(0)
    settings = {
        "arch": SMALL,
        "img_size": (48, 80),
        "patch_size": 8,
        "class_token": False,
        "window_size": 4,
        "global_attn_indexes": (1, 3),
        "use_rel_pos": True,
        "final_norm": False,
    }
    return DeepViT(**settings | kwargs)


def with_random_relative_positions(model: DeepViT) -> DeepViT:
    for name, parameter in model.named_parameters():
        if "rel_pos" in name:
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(1))
    return model


def test_blocks_and_their_sizes():
    model = detection(global_attn_indexes=(1, -1))
    assert [block.attn.window_size for block in model.blocks] == [(4, 4), None, (4, 4), None]
    shapes = [tuple(block.attn.rel_pos_h.shape + block.attn.rel_pos_w.shape) for block in model.blocks]
    assert shapes == [(7, 8, 7, 8), (11, 8, 19, 8)] * 2
    assert "cls_token" not in model.state_dict()
    assert all(not p.any() for name, p in model.named_parameters() if "rel_pos" in name)


@pytest.mark.parametrize(
    ("depth", "numbers"),
    [(12, (2, 5, 8, 11)), (24, (5, 11, 17, 23)), (48, (11, 23, 35, 47)), (54, (12, 26, 39, 53)), (2, (0, 1))],
)
def test_global_blocks_end_the_quarters(depth, numbers):
    assert ends_of_quarters(depth) == numbers
    model = detection(
        arch={"depth": depth, "embed_dims": 8, "num_heads": 1}, use_rel_pos=False, global_attn_indexes=None
    )
    assert model.global_attn_indexes == numbers


def test_windows_only():
    model = detection(global_attn_indexes=())
    assert all(block.attn.window_size == (4, 4) for block in model.blocks)
    images = torch.randn(1, 3, 32, 64)
    with torch.no_grad():
        whole, left = model.eval()(images)[0], model(images)[0][..., :4]
        changed = images.clone()
        changed[..., 32:] = 0
        torch.testing.assert_close(model(changed)[0][..., :4], left)
        assert not torch.allclose(model(changed)[0][..., 4:], whole[..., 4:])


@pytest.mark.parametrize("size", [(48, 80), (24, 104), (96, 40)])
def test_zero_relative_positions_and_one_window_are_the_plain_model(size):
    """One window as large as the map, zero relative positions: the plain model's features without a class token."""
    plain = detection(window_size=None, global_attn_indexes=None, use_rel_pos=False).eval()
    windows = detection(window_size=(size[0] // 8, size[1] // 8)).eval()
    report = windows.load_state_dict(plain.state_dict(), strict=False)
    assert not report.unexpected_keys and all("rel_pos" in key for key in report.missing_keys)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(windows(images)[0], plain(images)[0], rtol=1e-4, atol=1e-5)


def test_maps_of_several_blocks_are_in_place():
    model = detection(out_indices=(0, 2, 3), final_norm=True).eval()
    images = torch.randn(2, 3, 48, 80)
    maps, tokens = model(images), model.forward_tokens(images)
    assert [m.shape for m in maps] == [(2, 24, 6, 10)] * 3
    assert torch.equal(maps[2][:, :, 2, 5], tokens[2][:, 2 * 10 + 5])
    with pytest.raises(ValueError, match="image width 84 is not divisible by the patch width 8: use 80 or 88, or pad"):
        model(torch.randn(1, 3, 48, 84))


def loss_and_gradients(model: DeepViT) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    loss = with_random_relative_positions(model).train()(torch.randn(2, 3, 40, 88))[0].square().mean()
    loss.backward()
    return {"loss": loss.detach()} | {name: p.grad for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("pos_embed", ["learned", "sincos"])
def test_checkpointing_changes_no_gradient(pos_embed):
    settings = {"drop_path_rate": 0.5, "pos_embed": pos_embed}
    model = detection(**settings)
    checkpoint_activations(model)
    plain, recomputed = loss_and_gradients(detection(**settings)), loss_and_gradients(model)
    assert all(gradient is not None for gradient in plain.values())  # or DistributedDataParallel would stop
    assert all(torch.equal(plain[name], recomputed[name]) for name in plain)


def test_bfloat16_training():
    exact, model = loss_and_gradients(detection()), detection()
    checkpoint_activations(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss_and_gradients(model)
    for name, gradient in exact.items():
        assert found[name].dtype == gradient.dtype
        assert (found[name] - gradient).norm() < 0.05 * gradient.norm(), name


@pytest.mark.slow
def test_compiled_blocks_give_the_same_gradients():
    """And so does the way of GPUs, which compilers are given."""
    model = detection()
    compile_training(model)
    plain, compiled = loss_and_gradients(detection()), loss_and_gradients(model)
    for name in plain:
        torch.testing.assert_close(compiled[name], plain[name], rtol=1e-3, atol=1e-5)


def test_positions_of_pretraining_stay_at_their_size():
    source = DeepViT(SMALL, img_size=(32, 32), patch_size=8, pos_embed="learned")
    kept = detection(pos_embed="learned", pretrain_img_size=32)
    kept.load_state_dict(source.state_dict(), strict=False)
    resampled = detection(pos_embed="learned")
    resampled.load_state_dict(source.state_dict(), strict=False)
    assert torch.equal(kept.pos_embed, source.pos_embed)
    assert resampled.pos_embed.shape == (1, 1 + 60, 24)
    torch.testing.assert_close(kept.positions((6, 10)), resampled.positions((6, 10)))


def test_a_pretraining_checkpoint_loads():
    pretrained = MIRL({"type": "DeepViT", "arch": SMALL, "img_size": 64, "patch_size": 8}, 2, 16, 1, 2)
    weights = {
        name.removeprefix("backbone."): value
        for name, value in pretrained.state_dict().items()
        if name.startswith("backbone.")
    }
    model = detection(pos_embed="learned")
    report = model.load_state_dict(weights, strict=False)
    assert set(report.unexpected_keys) == {"cls_token", "norm.weight", "norm.bias"}
    assert len(report.missing_keys) == 8 and all("rel_pos" in key for key in report.missing_keys)
    torch.testing.assert_close(model.pos_embed, pretrained.backbone.positions((6, 10)))
    torch.testing.assert_close(model.blocks[3].mlp.fc2.weight, pretrained.backbone.blocks[3].mlp.fc2.weight)
    assert not model.blocks[3].attn.rel_pos_w.any()


def test_a_detector_of_another_size_loads():
    source = with_random_relative_positions(detection(img_size=(64, 64)))
    model = detection()
    report = compare(model, source.state_dict())
    assert not report.mismatched and not report.missing
    assert len(report.resized) == 5  # absolute positions, rows and columns of the two global blocks
    model.load_state_dict(source.state_dict())
    images = torch.randn(1, 3, 48, 80)
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(images)[0], source.eval()(images)[0], rtol=1e-4, atol=1e-5)


def test_layers_of_parameters():
    model = detection()
    depths = {name: model.get_layer_depth(name) for name, _ in model.named_parameters()}
    assert depths["blocks.2.attn.rel_pos_h"] == depths["blocks.2.attn.qkv.weight"] == (3, 6)
    assert depths["pos_embed"] == (0, 6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window_size": 0}, "window_size must be positive, got 0: None means attention to the whole map"),
        ({"window_size": -2}, "window_size must be one or two positive whole numbers"),
        ({"window_size": (4, 0)}, r"window_size must be one or two positive .* got \(4, 0\)"),
        (
            {"global_attn_indexes": (1, 4)},
            r"global_attn_indexes must rise within the 4 blocks \(0\.\.3\), got \(1, 4\)",
        ),
        ({"global_attn_indexes": (-5,)}, r"global_attn_indexes must rise within the 4 blocks \(0\.\.3\), got \(-5,\)"),
        ({"global_attn_indexes": (1,), "window_size": None}, r"global_attn_indexes=\(1,\) without windows"),
        ({"class_token": True}, "no place for a class token: set class_token=False"),
        ({"pretrain_img_size": 30}, "image height 30 is not divisible by the patch height 8"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        detection(**settings)


def test_what_needs_a_plain_backbone_says_so():
    backbone = {"type": "DeepViT", "arch": SMALL, "img_size": 64, "patch_size": 8, "class_token": False}
    with pytest.raises(ValueError, match="pre-training needs a backbone with a class token, which this"):
        MIRL(backbone, 2, 16, 1, 2)
    with pytest.raises(ValueError, match="pool='token' needs a backbone with a class token, which this"):
        ImageClassifier(backbone, {"type": "LinearClsHead", "num_classes": 3, "pool": "token", "norm": False})
