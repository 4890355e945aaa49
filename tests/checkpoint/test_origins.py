"""Weights of other code bases give the same numbers in our models."""

import argparse
import json
import pickle

import pytest
import timm
import torch
from safetensors.torch import save_file

from mirl_mm import MAE, MIRL, DeepViT, ImageClassifier
from mirl_mm.checkpoint import read_any
from mirl_mm.models.backbones.head_count import stated_heads, usual_heads
from tests.golden import GOLDEN, Golden

BACKBONE = {"type": "DeepViT", "img_size": (64, 64)}


def small(depth: int, **settings) -> dict:
    return {**BACKBONE, "arch": {"depth": depth, "embed_dims": 24, "num_heads": 3}, **settings}


def test_the_authors_pretraining():
    golden, weights = Golden("mirl_6seg_w24"), read_any(GOLDEN / "mirl_6seg_w24.pd")
    assert weights.origin == "the authors' MIRL pre-training (paddle file)"
    assert weights.progress == "epoch 799"
    model = MIRL(small(12), decoder_embed_dims=16, decoder_depth=2, decoder_num_heads=2)
    model.load_state_dict(weights.state)
    groups, _ = model(golden.images, mode="tensor", noise=golden.noise)
    for g, (main, residual) in enumerate(groups):
        torch.testing.assert_close(main, golden.output(f"pred{g}"), rtol=0, atol=1e-5)
        torch.testing.assert_close(residual, golden.output(f"pred{5 - g}"), rtol=0, atol=1e-5)


def test_the_authors_classifier(tmp_path):
    golden = Golden("vit_cls_w24")
    content = {"model": golden.param, "optimizer": {"lr": 0.1}, "scaler": {}, "args": argparse.Namespace(epochs=60)}
    (tmp_path / "cls.pdparams").write_bytes(pickle.dumps(content, 4))
    weights = read_any(tmp_path / "cls.pdparams")
    assert (weights.layout, weights.dropped, weights.meta) == ("vit", ("optimizer", "scaler"), {"epochs": 60})
    model = ImageClassifier(small(6, final_norm=False), {"type": "LinearClsHead", "num_classes": 10}).eval()
    model.load_state_dict(weights.state)
    torch.testing.assert_close(model(golden.images), golden.output("logits"), rtol=0, atol=1e-5)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapper", ["", "module."])
def test_mae(tmp_path, zipped, wrapper):
    golden = Golden("mae_normpix_w24")
    state = {f"{wrapper}{name}": tensor for name, tensor in golden.tensors("param").items()}
    content = {"model": state, "args": argparse.Namespace(model="mae_vit_base_patch16"), "epoch": 3, "scaler": {}}
    torch.save(content, tmp_path / "mae.pth", _use_new_zipfile_serialization=zipped)
    weights = read_any(tmp_path / "mae.pth")
    assert weights.origin == f"MAE pre-training ({'torch' if zipped else 'old torch'} file)"
    assert (weights.progress, weights.dropped) == ("epoch 3", ("scaler",))
    assert weights.meta["model"] == "mae_vit_base_patch16"
    model = MAE(small(4), decoder_embed_dims=16, decoder_depth=2, decoder_num_heads=2)
    model.load_state_dict(weights.state)
    ((prediction,),), _ = model(golden.images, mode="tensor", noise=golden.noise)
    torch.testing.assert_close(prediction, golden.output("pred"), rtol=0, atol=1e-5)


@pytest.mark.parametrize("depth", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_timm_features_and_scores(tmp_path, depth):
    torch.manual_seed(0)
    theirs = timm.create_model("vit_base_patch16_224", depth=depth).eval()
    save_file(theirs.state_dict(), tmp_path / "model.safetensors", {"format": "pt"})
    weights = read_any(tmp_path / "model.safetensors")
    arch = {"depth": depth, "embed_dims": 768, "num_heads": 12}
    backbone = {"type": "DeepViT", "arch": arch, "pos_embed": "learned"}
    model = ImageClassifier(backbone, {"type": "LinearClsHead", "num_classes": 1000, "pool": "token", "norm": False})
    model.load_state_dict(weights.state)
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        ours = model.eval().backbone.forward_tokens(images)[-1]
        torch.testing.assert_close(ours, theirs.forward_features(images), rtol=0, atol=1e-6)
        torch.testing.assert_close(model(images), theirs(images), rtol=0, atol=1e-6)


def test_timm_with_mean_pooling(tmp_path):
    torch.manual_seed(0)
    theirs = timm.create_model("vit_tiny_patch16_224", depth=2, global_pool="avg", num_classes=5, img_size=64).eval()
    torch.nn.init.normal_(theirs.fc_norm.weight)
    model = ImageClassifier(
        {**BACKBONE, "arch": {"depth": 2, "embed_dims": 192, "num_heads": 3}, "final_norm": False},
        {"type": "LinearClsHead", "num_classes": 5},
    )
    torch.save(theirs.state_dict(), tmp_path / "a.pth")
    model.load_state_dict(read_any(tmp_path / "a.pth").state)
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(model.eval()(images), theirs(images), rtol=0, atol=1e-6)


def test_our_own_backbones_and_what_detectors_hold(tmp_path):
    backbone = DeepViT(small(2)["arch"], img_size=(64, 64))
    expected = {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}
    torch.save(backbone.state_dict(), tmp_path / "bare.pth")
    torch.save({"state_dict": {**expected, "neck.weight": torch.ones(1)}, "meta": {}}, tmp_path / "detector.pth")
    encoder = {f"encoder.{name}": tensor for name, tensor in backbone.state_dict().items()}
    torch.save({"model": {**encoder, "decoder.weight": torch.ones(1)}}, tmp_path / "other.pth")
    cases = [("bare.pth", None, set()), ("detector.pth", "backbone.", {"neck.weight"}), ("other.pth", "encoder", set())]
    for file, prefix, more in cases:
        state = read_any(tmp_path / file, prefix).state
        assert state.keys() == expected.keys() | more
        assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())


def test_averaged_weights(tmp_path):
    plain = {"backbone.blocks.0.attn.qkv.weight": torch.zeros(3)}
    averaged = {"backbone.blocks.0.attn.qkv.weight": torch.ones(3)}
    ema = {f"module.{name}": tensor for name, tensor in plain.items()} | {"steps": torch.tensor(4)}
    torch.save({"state_dict": averaged, "ema_state_dict": ema}, tmp_path / "ours.pth")
    weights = read_any(tmp_path / "ours.pth")
    assert weights.state["backbone.blocks.0.attn.qkv.weight"].sum() == 3
    assert weights.ema_state.keys() == ema.keys()
    torch.save({"state_dict": plain, "state_dict_ema": averaged}, tmp_path / "timm.pth")
    assert read_any(tmp_path / "timm.pth").state["backbone.blocks.0.attn.qkv.weight"].sum() == 3


@pytest.mark.parametrize(
    ("meta", "width", "stated", "usual"),
    [
        ({}, 384, None, 6),
        ({"args": argparse.Namespace(model="vit_small_patch16_224")}, 384, 6, 6),
        ({"args": argparse.Namespace(model="mirl_vit_small_54")}, 384, 12, 6),
        ({"args": argparse.Namespace(model="vit_small_patch16_224")}, 512, None, None),  # a model of one's own
        ({"arch": "vit_huge_patch14_224"}, 1280, 16, 16),
        ({"arch": "resnet50"}, 768, None, 12),
        ({"meta": {"num_heads": "24"}}, 768, 24, 12),
        ({"meta": {"cfg": "model = dict(backbone=dict(type='DeepViT', arch='vit-s-54'))"}}, 384, 12, 6),
        ({"meta": {"cfg": "model = dict(backbone=dict(type='ResNet', arch='r'))"}}, 768, None, 12),
        ({"meta": {"cfg": "model = dict(backbone=open('x'))"}}, 768, None, 12),
    ],
)
def test_head_count(tmp_path, meta, width, stated, usual):
    state = {"blocks.0.attn.qkv.weight": torch.ones(3), "blocks.0.norm1.weight": torch.ones(width)}
    torch.save({"model": state, **meta}, tmp_path / "a.pth")
    weights = read_any(tmp_path / "a.pth")
    assert stated_heads(weights) == stated
    assert usual_heads(weights) == usual


def test_head_count_of_a_safetensors_file(tmp_path):
    state = {"blocks.0.attn.qkv.weight": torch.ones(3), "blocks.0.norm1.weight": torch.ones(384)}
    save_file(state, tmp_path / "a.safetensors", {"num_heads": json.dumps(12)})
    assert stated_heads(read_any(tmp_path / "a.safetensors")) == 12
    whole = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-10])
    with pytest.raises(ValueError, match=r"cut\.safetensors' can't be read as a safetensors file"):
        read_any(tmp_path / "cut.safetensors")
