"""MIRL's encoders in timm's registry."""

import pytest
import timm
import torch
from timm.data import resolve_model_data_config

import mirl_mm.timm as ours
from mirl_mm import DeepViT
from mirl_mm.models.backbones import ARCHS

NAME = "mirl_vit_small_patch16_224"


def test_every_preset_has_a_name():
    assert list(ours.NAMES) == list(ARCHS)
    assert set(timm.list_models("mirl_vit_*")) == set(ours.NAMES.values())


@pytest.mark.parametrize(("arch", "name"), ours.NAMES.items())
def test_same_parameters_as_the_preset(arch, name):
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=0, global_pool="token")
        backbone = DeepViT(arch)
    shapes = {key: value.shape for key, value in backbone.state_dict().items()}
    assert {key: value.shape for key, value in model.state_dict().items()} == shapes
    assert model.blocks[0].attn.num_heads == backbone.num_heads


def test_what_timm_knows_of_images():
    model = timm.create_model(NAME, depth=1, img_size=(32, 48), num_classes=7)
    data = resolve_model_data_config(model)
    assert data["mean"] == (0.485, 0.456, 0.406) and data["interpolation"] == "bicubic"
    assert data["crop_pct"] == 0.875
    assert model(torch.rand(2, 3, 32, 48)).shape == (2, 7)
    assert timm.models.is_model_pretrained(NAME) is False


def test_features_only():
    model = timm.create_model(NAME, depth=3, features_only=True, out_indices=(0, 2), img_size=32)
    assert [maps.shape for maps in model(torch.rand(1, 3, 32, 32))] == [(1, 384, 2, 2)] * 2
    assert len(timm.create_model(NAME, depth=4, features_only=True)(torch.rand(1, 3, 224, 224))) == 3


def test_same_features_and_positions_for_another_size(tmp_path):
    arch = {**ARCHS["vit-s"], "depth": 2}
    torch.manual_seed(0)
    backbone = DeepViT(arch, img_size=(64, 64), final_norm=True).eval()
    for parameter in backbone.parameters():
        parameter.data.normal_(std=0.05)
    torch.save(backbone.state_dict(), tmp_path / "backbone.pth")
    size = (48, 80)
    resized = DeepViT(arch, img_size=size).eval()
    resized.load_state_dict(backbone.state_dict())
    options = {"depth": 2, "num_classes": 0, "global_pool": "token"}
    overlay = {"file": str(tmp_path / "backbone.pth"), "num_classes": 0}
    model = timm.create_model(NAME, pretrained=True, pretrained_cfg_overlay=overlay, img_size=size, **options).eval()
    images = torch.rand(2, 3, *size)
    torch.testing.assert_close(model.forward_features(images), resized.forward_tokens(images)[-1], rtol=0, atol=1e-6)
