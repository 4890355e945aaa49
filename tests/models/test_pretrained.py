"""``init_cfg=dict(type="Pretrained")``: weights of any origin, what is said of them, and what is refused."""

import logging
import shutil

import pytest
import timm
import torch
from mmengine.registry import DefaultScope

from mirl_mm import MAE, MIRL, DeepViT, ImageClassifier
from mirl_mm.checkpoint import read_any
from tests.golden import GOLDEN, Golden

ARCH = {"depth": 12, "embed_dims": 24, "num_heads": 3}
MIRL_FILE = str(GOLDEN / "mirl_6seg_w24.pd")


def backbone(arch=ARCH, checkpoint=MIRL_FILE, prefix=None, **settings) -> DeepViT:
    init = {"type": "Pretrained", "checkpoint": checkpoint} | ({"prefix": prefix} if prefix else {})
    return DeepViT(**{"arch": arch, "img_size": (64, 64), "init_cfg": init, **settings})


@pytest.fixture
def said(monkeypatch):
    """Lines of the report and their levels."""
    lines: list[tuple[str, int]] = []
    monkeypatch.setattr("mirl_mm.models.backbones.pretrained._log", lambda line, level: lines.append((line, level)))
    return lines


def warnings(said) -> list[str]:
    return [line for line, level in said if level == logging.WARNING]


@pytest.mark.parametrize("prefix", [None, "backbone."])
@pytest.mark.parametrize("scope", ["mirl_mm", "mmdet"])
def test_backbone_from_the_authors_file(said, prefix, scope):
    model = backbone(prefix=prefix)
    with DefaultScope.overwrite_default_scope(scope):
        model.init_weights()
    expected = read_any(MIRL_FILE).state
    assert all(torch.equal(tensor, expected[f"backbone.{name}"]) for name, tensor in model.state_dict().items())
    text = "\n".join(line for line, _ in said)
    assert "the authors' MIRL pre-training (paddle file), epoch 799" in text
    assert "150 tensors fit; not the backbone's: decoders.* (300), embeds.* (14), norms.* (12)" in text
    assert "does not tell its number of attention heads; the model's 3 were assumed" in text
    assert not warnings(said)


def test_positions_are_resampled_and_a_dropped_norm_is_no_harm(said):
    model = backbone(img_size=(96, 64), final_norm=False)
    model.init_weights()
    reference = backbone()
    reference.init_weights()
    images = torch.randn(1, 3, 96, 64)
    expected = reference.run_blocks(reference.embed(images))
    torch.testing.assert_close(model.forward_tokens(images)[-1], expected)
    assert "147 tensors fit; 1 resized: pos_embed; 2 unexpected: norm.weight, norm.bias" in said[2][0]
    assert not warnings(said)


def test_what_stays_random_is_named(said):
    model = backbone({**ARCH, "depth": 14})
    model.init_weights()
    assert warnings(said) == [f"DeepViT from {MIRL_FILE}: stay as initialised: blocks.12.* (12), blocks.13.* (12)"]


def test_inside_a_classifier_and_only_once(said):
    model = ImageClassifier(
        {"type": "DeepViT", "arch": ARCH, "img_size": (64, 64), "init_cfg": backbone().init_cfg},
        {"type": "LinearClsHead", "num_classes": 7},
    )
    model.init_weights()
    expected = read_any(MIRL_FILE).state
    name = "blocks.11.mlp.fc2.weight"
    assert torch.equal(model.backbone.state_dict()[name], expected[f"backbone.{name}"])
    model.init_weights()
    assert sum("MIRL pre-training" in line for line, _ in said) == 1


def test_whole_models(said):
    decoder = {"decoder_embed_dims": 16, "decoder_depth": 2, "decoder_num_heads": 2}
    init = {"type": "Pretrained", "checkpoint": MIRL_FILE}
    vit = {"type": "DeepViT", "arch": ARCH, "img_size": (64, 64)}
    model = MIRL(vit, **decoder, init_cfg=init)
    model.init_weights()
    golden = Golden("mirl_6seg_w24")
    loss = model(golden.images, mode="loss", noise=golden.noise)["loss"]
    torch.testing.assert_close(loss, golden.output("loss"), rtol=1e-6, atol=0)
    MAE(vit, **decoder, init_cfg=init).init_weights()  # of another method: its backbone fits
    assert any("stay as initialised: decoder" in line or "decoder.*" in line for line in warnings(said))


def test_a_head_for_other_classes_starts_anew(said, tmp_path):
    vit = {"type": "DeepViT", "arch": {**ARCH, "depth": 1}, "img_size": (64, 64), "final_norm": False}
    trained = ImageClassifier(vit, {"type": "LinearClsHead", "num_classes": 5})
    torch.save({"state_dict": trained.state_dict(), "meta": {}}, tmp_path / "a.pth")
    init = {"type": "Pretrained", "checkpoint": str(tmp_path / "a.pth")}
    for classes in (5, 7):
        said.clear()
        model = ImageClassifier(vit, {"type": "LinearClsHead", "num_classes": classes}, init_cfg=init)
        model.init_weights()
        assert torch.equal(model.backbone.cls_token, trained.backbone.cls_token)
        assert torch.equal(model.head.fc.weight[:5], trained.head.fc.weight) == (classes == 5)
    (line,) = warnings(said)
    assert line.endswith("their shapes differ: head.fc.weight [5, 24] for [7, 24], head.fc.bias [5] for [7]")


def test_refusals(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint '/none\.pth'"):
        backbone(checkpoint="/none.pth").init_weights()
    with pytest.raises(ValueError, match=r"backbone's shapes differ \(cls_token .*set model\.backbone \(arch, patch_"):
        backbone({**ARCH, "embed_dims": 48}).init_weights()
    with pytest.raises(ValueError, match=r"patch_embed\.proj\.weight \[24, 3, 16, 16\] for \[24, 3, 8, 8\]"):
        backbone(patch_size=8).init_weights()
    whole = {f"backbone.{name}": tensor for name, tensor in backbone().state_dict().items()}
    torch.save({"state_dict": whole, "meta": {"num_heads": 6}}, tmp_path / "heads.pth")
    with pytest.raises(ValueError, match=r"has 6 attention heads, this one 3\. .*set num_heads=6 in model\.backbone"):
        backbone(checkpoint=str(tmp_path / "heads.pth")).init_weights()
    cut = tmp_path / "cut.pth"
    shutil.copy(tmp_path / "heads.pth", cut)
    cut.write_bytes(cut.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"cut\.pth' \(\d+ bytes\) is no whole PyTorch checkpoint: truncated"):
        backbone(checkpoint=str(cut)).init_weights()


def test_an_encoder_of_another_kind(tmp_path):
    """Layer scale changes what blocks compute, so leaving it out would give wrong features in silence."""
    theirs = timm.create_model("vit_tiny_patch16_224", depth=1, img_size=64, init_values=1e-5)
    torch.save(theirs.state_dict(), tmp_path / "a.pth")
    model = backbone({"depth": 1, "embed_dims": 192, "num_heads": 3}, str(tmp_path / "a.pth"))
    with pytest.raises(ValueError, match=r"has parts that DeepViT lacks .*blocks\.0\.ls1\.gamma"):
        model.init_weights()


def test_unusual_head_count_is_pointed_out(said, tmp_path):
    theirs = timm.create_model("vit_small_patch16_224", depth=1, img_size=64)
    torch.save(theirs.state_dict(), tmp_path / "a.pth")
    backbone({"depth": 1, "embed_dims": 384, "num_heads": 12}, str(tmp_path / "a.pth")).init_weights()
    (line,) = warnings(said)
    assert "the model's 12 were assumed, but such models usually have 6: check model.backbone.arch" in line


def test_the_log_of_all_parameters_tells_where_each_came_from(tmp_path, monkeypatch):
    """mmengine prints every parameter's origin at the end of a model's initialisation."""
    told = {}

    def collect(model):
        told.update({name: model._params_init_info[p]["init_info"] for name, p in model.named_parameters()})

    monkeypatch.setattr(ImageClassifier, "_dump_init_info", collect)
    small = {"arch": {"depth": 1, "embed_dims": 16, "num_heads": 2}, "img_size": (32, 32)}
    state = DeepViT(**small).state_dict()
    torch.save({f"backbone.{name}": tensor + 1 for name, tensor in state.items()}, tmp_path / "x.pth")
    encoder = backbone(small["arch"], str(tmp_path / "x.pth"), img_size=(32, 32))
    ImageClassifier(encoder, {"type": "LinearClsHead", "num_classes": 2}).init_weights()
    assert told["backbone.blocks.0.attn.qkv.weight"] == f"loaded from {tmp_path / 'x.pth'}"
    assert "loaded" not in told["head.fc.weight"]


def vit(**settings):
    """timm's, as wide as ours of these tests."""
    common = {"img_size": 64, "patch_size": 16, "embed_dim": 24, "depth": 2, "num_heads": 3, "num_classes": 0}
    return timm.models.vision_transformer.VisionTransformer(**{**common, **settings}).eval()


SHALLOW = {"depth": 2, "embed_dims": 24, "num_heads": 3}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"pre_norm": True}, "norm_pre.weight, norm_pre.bias"),  # as CLIP's
        ({"reg_tokens": 4}, "reg_token"),
        ({"init_values": 1e-4}, r"blocks.0.ls1.gamma"),
        ({"qk_norm": True}, r"blocks.0.\* \(4\)"),
    ],
)
def test_what_stands_in_front_of_or_in_the_blocks_is_refused_by_name(tmp_path, settings, named):
    torch.save(vit(**settings).state_dict(), tmp_path / "vit.pth")
    model = backbone(SHALLOW, str(tmp_path / "vit.pth"))
    with pytest.raises(ValueError, match=rf"has parts that DeepViT lacks and without which its features .*{named}"):
        model.init_weights()


def test_distillation_tokens_are_refused_by_name(tmp_path):
    theirs = timm.models.deit.VisionTransformerDistilled(
        img_size=64, patch_size=16, embed_dim=24, depth=2, num_heads=3, num_classes=5
    )
    torch.save(theirs.state_dict(), tmp_path / "deit.pth")
    with pytest.raises(ValueError, match="without which its features are others: dist_token"):
        backbone(SHALLOW, str(tmp_path / "deit.pth")).init_weights()


@pytest.mark.parametrize("settings", [{}, {"no_embed_class": True}, {"global_pool": "map", "class_token": False}])
def test_what_stands_behind_the_blocks_is_not_missed(tmp_path, settings):
    """Also FlexiViT's positions, which have none for the class token, and pooling by attention."""
    torch.manual_seed(0)
    theirs = vit(**settings)
    torch.save(theirs.state_dict(), tmp_path / "vit.pth")
    prefix = int(settings.get("class_token", True))
    model = backbone(SHALLOW, str(tmp_path / "vit.pth"), class_token=bool(prefix), pos_embed="learned").eval()
    model.init_weights()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model.forward_tokens(images)[0], theirs.forward_features(images), rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda name: f"_orig_mod.module.{name}",
        lambda name: f"module._orig_mod.module.{name}",
        lambda name: name.replace("blocks.0.", "blocks.0._orig_mod."),
        lambda name: name.replace("attn.", "attn._checkpoint_wrapped_module."),
        lambda name: f"_fsdp_wrapped_module.{name.replace('blocks.1.', 'blocks.1._fsdp_wrapped_module.')}",
    ],
)
def test_wrappers_around_anything(tmp_path, wrap):
    state = vit().state_dict()
    torch.save({wrap(name): tensor for name, tensor in state.items()}, tmp_path / "vit.pth")
    found = read_any(tmp_path / "vit.pth").state
    assert {f"backbone.{name}" for name in state} == set(found)
    inner = {wrap(f"encoder.{name}"): tensor for name, tensor in state.items()}
    torch.save({**inner, "n_averaged": torch.tensor(3)}, tmp_path / "vit.pth")
    assert set(read_any(tmp_path / "vit.pth", "encoder.").state) == set(found)
    torch.save({**state, "module.pos_embed": state["pos_embed"]}, tmp_path / "vit.pth")
    with pytest.raises(ValueError, match=r"vit.pth' can't be used: 'pos_embed' is there twice"):
        read_any(tmp_path / "vit.pth")
