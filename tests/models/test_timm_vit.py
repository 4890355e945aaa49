"""TimmViT gives timm's own features, and places, freezes, masks and loads what timm's models have."""

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from mirl_mm import MAE, MIRL, DeepViT, TimmViT
from mirl_mm.analysis.saved_tensors import kept_bytes, storages
from mirl_mm.engine.activation_checkpointing import checkpoint_activations
from mirl_mm.models.backbones import is_backbone
from mirl_mm.models.pretrainers.random_masking import mask_by_noise
from tests.models.timm_cases import KINDS, randomise, reference

each_kind = pytest.mark.parametrize("kind", KINDS)


def ours(kind: str, **settings) -> TimmViT:
    name, options = KINDS[kind]
    return TimmViT(name, timm_kwargs=options, **settings)


def loaded(kind: str, **settings) -> TimmViT:
    """With the reference's weights, of which only the heads are left."""
    model = ours(kind, **settings)
    missing, unexpected = model.load_state_dict(reference(kind).state_dict(), strict=False)
    assert not missing and {name.partition(".")[0] for name in unexpected} <= {"fc_norm", "attn_pool"}
    return model.eval()


@each_kind
@pytest.mark.parametrize("size", [(224, 224), (75, 100)])
def test_features_are_timms(kind, size):
    """(75, 100) is no multiple of 14 or 16, nor square."""
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    model, theirs = loaded(kind), reference(kind)
    with torch.no_grad():
        expected = theirs.forward_features(images)
        torch.testing.assert_close(model.forward_tokens(images)[-1], expected, rtol=0, atol=1e-6)
        maps = theirs.forward_intermediates(images, indices=[0, 1], intermediates_only=True)
        model.out_indices = (0,)
        torch.testing.assert_close(model(images)[0], maps[0], rtol=0, atol=1e-6)
    assert expected.std() > 0.1 and is_backbone(model)


@each_kind
def test_every_parameter_has_a_layer(kind):
    model = ours(kind)
    layers = {name: model.get_layer_depth(f"backbone.{name}", "backbone.") for name, _ in model.named_parameters()}
    assert {number for _, number in layers.values()} == {4}
    after = {name.partition(".")[0] for name, (layer, _) in layers.items() if layer == 3}
    assert after <= {"norm", "rope"}  # mixed rotary frequencies serve all blocks; timm's matcher puts them last
    for name, (layer, _) in layers.items():
        root = name.partition(".")[0]
        assert layer == (int(name.split(".")[1]) + 1 if root == "blocks" else 3 if root in after else 0)
    assert {layer for layer, _ in layers.values()} >= {0, 1, 2}
    assert model.no_weight_decay() <= {"pos_embed", "cls_token", "reg_token", "dist_token", "rope.freqs"}
    with pytest.raises(ValueError, match="no parameter of TimmViT that has a layer"):
        model.get_layer_depth("backbone.adapter.weight", "backbone.")


def test_stored_positions_are_resampled_as_timm_does():
    images = torch.randn(1, 3, 96, 64)
    model, theirs = loaded("plain", img_size=(96, 64)), reference("plain")
    assert model.pos_embed.shape[1] == 1 + 6 * 4
    with torch.no_grad():
        torch.testing.assert_close(model.forward_tokens(images)[-1], theirs.forward_features(images), rtol=0, atol=1e-6)


def test_a_stride_that_is_not_the_patchs_resizes_images():
    kind = "dinov2, registers, patch 14"
    model, theirs = loaded(kind, map_stride=16, img_size=37 * 16), reference(kind)  # 37 x 37 positions, as timm's
    images = torch.randn(1, 3, 60, 96)
    (found,) = model(images)
    assert found.shape == (1, 48, 4, 6) and model.map_size(images) == (4, 6)
    whole = F.interpolate(F.pad(images, (0, 0, 0, 4)), size=(56, 84), mode="bilinear", antialias=True)
    expected = theirs.forward_features(whole)[:, 5:].transpose(1, 2).unflatten(2, (4, 6))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@each_kind
def test_chosen_patches_are_those_of_the_whole_image(kind):
    """All patches in another order give the same tokens in that order: positions of any kind go with their patch."""
    model = loaded(kind)
    side = model.patch_size[0] * 3
    images = torch.randn(2, 3, side, side)
    ids = torch.stack([torch.randperm(9), torch.randperm(9)])
    whole = model.run_blocks(model.embed(images), context=model.context(images))
    found = model.run_blocks(model.embed(images, ids), context=model.context(images, ids))
    prefix = model.num_prefix_tokens
    patches = whole[:, prefix:].gather(1, ids[..., None].expand(-1, -1, 48))
    torch.testing.assert_close(found, torch.cat([whole[:, :prefix], patches], dim=1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "no class token"])
def test_masked_pretraining_learns(kind):
    name, options = KINDS[kind]
    side = 4 * (14 if "14" in name else 16)
    backbone = {"type": "TimmViT", "model_name": name, "timm_kwargs": options, "img_size": (side, side)}
    noise = torch.rand(2, 16, generator=torch.Generator().manual_seed(0))
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    model = MIRL(backbone, num_segments=2, decoder_embed_dims=16, decoder_depth=1, decoder_num_heads=2)
    model.train()(images, noise=noise, mode="loss")["loss"].backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    masking = mask_by_noise(noise, model.visible)
    groups = model.eval().components(images, masking)
    everywhere = model.components(images, masking, everywhere=True)
    for some, whole in zip(groups[0], everywhere[0], strict=True):
        chosen = whole.gather(1, masking.ids_mask[..., None].expand(-1, -1, whole.shape[2]))
        torch.testing.assert_close(some, chosen, rtol=1e-4, atol=1e-5)


def test_what_masked_pretraining_refuses():
    with pytest.raises(ValueError, match="needs a backbone with a class token, which this TimmViT lacks"):
        MAE(ours("no class token"), 16, 1, 2)
    with pytest.raises(ValueError, match=r"of whole patches, and the TimmViT pads or resizes its images of 75 x 98 to"):
        MAE(ours("dinov2, registers, patch 14", img_size=(75, 98)), 16, 1, 2)
    with pytest.raises(ValueError, match="images of whole patches"):
        MAE(ours("dinov2, registers, patch 14", img_size=(64, 64), map_stride=16), 16, 1, 2)


@pytest.mark.parametrize(("stages", "layers"), [(-1, 4), (0, 3), (1, 2), (2, 0)])
def test_frozen_stages(stages, layers):
    model = ours("dinov3, rotary" if "dinov3, rotary" in KINDS else "plain", frozen_stages=stages, drop_path_rate=0.3)
    trained = {model.get_layer_depth(name)[0] for name, p in model.named_parameters() if p.requires_grad}
    assert len(trained) == layers
    model.eval().train()
    assert [block.training for block in model.blocks] == [stages < 1, stages < 2]
    assert model.norm.training == (stages < 2) and model.patch_embed.training == (stages < 0)
    kept = kept_bytes(lambda: model(torch.randn(1, 3, 64, 64)), storages(model))
    assert (kept == 0) == (stages == 2)


def test_wholly_frozen():
    model = ours("plain", frozen=True)
    assert model.frozen_stages == 2 and not any(parameter.requires_grad for parameter in model.parameters())


def test_recomputed_blocks_give_the_same_gradients():
    images = torch.randn(1, 3, 64, 64)
    gradients = []
    for checkpointing in (False, True):
        model = randomise(ours("mixed rotary" if "mixed rotary" in KINDS else "plain")).train()
        if checkpointing:
            checkpoint_activations(model)
        model(images)[0].square().sum().backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])


@pytest.mark.parametrize("kind", ["dinov2, registers, patch 14", "eva02, separate queries, rotary"])
def test_a_file_of_timms_loads_as_it_is(kind, tmp_path):
    theirs = reference(kind)
    save_file({name: tensor.contiguous() for name, tensor in theirs.state_dict().items()}, tmp_path / "a.safetensors")
    model = ours(kind, init_cfg={"type": "Pretrained", "checkpoint": str(tmp_path / "a.safetensors")})
    model.init_weights()
    expected = theirs.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("kind", "other", "message"),
    [
        ("dinov2, registers, patch 14", "swiglu, patch 14", "shapes differ"),
        ("plain", "dinov2, registers, patch 14", "shapes differ"),
        ("norms of queries", "plain", r"the file has no blocks.*without which TimmViT would give other"),
        ("plain", "norms of queries", r"has parts that TimmViT lacks .*Take other weights"),
        ("distillation token", "plain", r"the file has no dist_token, without which"),
    ],
)
def test_weights_of_another_model(kind, other, message, tmp_path):
    torch.save(reference(other).state_dict(), tmp_path / "other.pth")
    model = ours(kind, init_cfg={"type": "Pretrained", "checkpoint": str(tmp_path / "other.pth")})
    with pytest.raises(ValueError, match=message):
        model.init_weights()


def test_weights_that_timm_fetches(tmp_path, monkeypatch):
    """From a file in place of the hub, by timm's own means; and without a network, one line."""
    theirs = reference("plain")
    save_file(theirs.state_dict(), tmp_path / "hub.safetensors")
    name, options = KINDS["plain"]
    options = {**options, "pretrained_cfg_overlay": {"file": str(tmp_path / "hub.safetensors"), "num_classes": 0}}
    init_cfg = {"type": "Pretrained", "checkpoint": "timm"}
    model = TimmViT(name, timm_kwargs=options, init_cfg=init_cfg)
    assert not torch.equal(model.cls_token, theirs.cls_token)
    model.init_weights()
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in model.state_dict().items())
    model = ours("plain", init_cfg=init_cfg)

    def no_network(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("mirl_mm.models.backbones.timm_vit.create_plain", no_network)
    with pytest.raises(
        ValueError, match=r"could not get its weights of vit_tiny_patch16_224 \(no network\): without a"
    ):
        model.init_weights()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "vit_base_patch14_dino2",
            {},
            r"knows no model 'vit_base_patch14_dino2': did you mean vit_base_patch14_dinov2",
        ),
        (
            "swin_tiny_patch4_window7_224",
            {},
            r"is timm's SwinTransformer, hierarchical, with maps of strides 4, 8, 16,",
        ),
        ("resnet18", {}, r"is timm's ResNet, hierarchical.*TimmViT takes plain Vision Transformers"),
        ("vit_tiny_r_s16_p8_224", {}, "makes its tokens by a HybridEmbed"),
        ("vit_tiny_patch16_224", {"window": 3}, r"timm can't make 'vit_tiny_patch16_224' with {'window': 3}: .*window"),
        ("vit_tiny_patch16_224", {"img_size": 64}, "timm_kwargs must not set 'img_size': take img_size"),
        ("vit_tiny_patch16_224", {"patch_drop_rate": 0.5}, "TimmViT drops no patches"),
    ],
)
def test_bad_names_and_arguments(name, options, message):
    with pytest.raises(ValueError, match=message):
        TimmViT(name, timm_kwargs=options)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"out_indices": (0, 2)}, "out_indices must rise within the 2 blocks"),
        ({"frozen_stages": 3}, "frozen_stages must lie between -1"),
        ({"drop_path_rate": 1.0}, "drop_path_rate must lie in"),
        ({"map_stride": 0}, "map_stride must be"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        ours("plain", **settings)


def test_names_in_timm_are_as_expected():
    """The cases are of this timm, or of a later one than the oldest that is allowed."""
    assert len(KINDS) >= 7 and all(timm.is_model(name) for name, _ in KINDS.values())


def authors_dinov2(state):
    """As facebookresearch/dinov2 has them: registers, the class token without its position, a mask token."""
    state = dict(state)
    position = torch.randn(1, 1, 48)
    return state | {
        "register_tokens": state.pop("reg_token"),
        "cls_token": state["cls_token"] - position,
        "pos_embed": torch.cat([position, state["pos_embed"]], dim=1),
        "mask_token": torch.randn(1, 48),
    }


def authors_dinov3(state):
    """As facebookresearch/dinov3 has them: storage tokens, layer scale by another name, masked biases, periods."""
    renamed = {name.replace("gamma_1", "ls1.gamma").replace("gamma_2", "ls2.gamma"): t for name, t in state.items()}
    renamed["storage_tokens"] = renamed.pop("reg_token")
    for block in (0, 1):
        renamed[f"blocks.{block}.attn.qkv.bias"] = torch.zeros(3 * 48)
        renamed[f"blocks.{block}.attn.qkv.bias_mask"] = torch.ones(3 * 48)
    return renamed | {"rope_embed.periods": torch.randn(4), "mask_token": torch.randn(1, 48)}


@pytest.mark.parametrize(
    ("kind", "rename"),
    [("dinov2, registers, patch 14", authors_dinov2), ("dinov3, rotary", authors_dinov3)],
)
def test_a_file_of_the_authors_of_dino(kind, rename, tmp_path):
    if kind not in KINDS:
        pytest.skip("this timm has no such model")
    expected = reference(kind).state_dict()
    theirs = rename(expected)
    torch.save(theirs, tmp_path / "authors.pth")
    model = ours(kind, init_cfg={"type": "Pretrained", "checkpoint": str(tmp_path / "authors.pth")})
    model.init_weights()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6, msg=name)
    if rename is authors_dinov3:
        theirs["blocks.1.attn.qkv.bias"][0] = 1
        torch.save(theirs, tmp_path / "authors.pth")
        with pytest.raises(ValueError, match=r"biases of queries and values.*take timm's model.*dinov3_qkvb"):
            ours(kind, init_cfg=model.init_cfg).init_weights()
    depth = {"depth": 2, "embed_dims": 48, "num_heads": 3}
    with pytest.raises(ValueError, match=r"parts that DeepViT lacks .*TimmViT"):
        DeepViT(depth, init_cfg=model.init_cfg, patch_size=model.patch_size).init_weights()


def test_heads_that_a_file_states_name_timms_setting(tmp_path):
    state = {f"backbone.{name}": tensor for name, tensor in reference("plain").state_dict().items()}
    torch.save({"state_dict": state, "meta": {"num_heads": 6}}, tmp_path / "heads.pth")
    model = ours("plain", init_cfg={"type": "Pretrained", "checkpoint": str(tmp_path / "heads.pth")})
    with pytest.raises(
        ValueError, match=r"6 attention heads, this one 3.*set num_heads=6 in model.backbone.timm_kwargs"
    ):
        model.init_weights()
