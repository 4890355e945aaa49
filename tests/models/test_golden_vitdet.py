"""DeepViT with windows and SimpleFPN give detectron2's ViTDet features and gradients."""

import pytest
import torch
from torch import nn

from mirl_mm import DeepViT
from mirl_mm.checkpoint.key_maps_vitdet import from_detectron2_vitdet
from mirl_mm.engine.activation_checkpointing import checkpoint_activations
from mirl_mm.models.necks import SimpleFPN
from tests.golden import BF16, Golden, distance


@pytest.fixture(scope="module")
def golden(device) -> Golden:
    return Golden("vitdet_square_w48", device)


def load(golden: Golden) -> nn.ModuleDict:
    backbone = DeepViT(
        {"depth": 4, "embed_dims": 48, "num_heads": 3},
        img_size=(128, 128),
        pretrain_img_size=(64, 64),
        pos_embed="learned",
        final_norm=False,
        class_token=False,
        window_size=4,
        use_rel_pos=True,
        global_attn_indexes=(1, 3),
    )
    model = nn.ModuleDict({"backbone": backbone, "neck": SimpleFPN(48, 32)})
    model.load_state_dict(from_detectron2_vitdet(golden.param))
    return model.to(golden.device).train()


def test_features(golden):
    model = load(golden)
    with torch.no_grad():
        maps = model["backbone"](golden.images)
        levels = model["neck"](maps)
    torch.testing.assert_close(maps[0], golden.output("last_feat"), rtol=0, atol=1e-4)
    assert len(levels) == 5
    for number, level in enumerate(levels, start=2):
        torch.testing.assert_close(level, golden.output(f"p{number}"), rtol=0, atol=1e-4)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients(golden, checkpointing):
    model, images = load(golden), golden.images.clone().requires_grad_()
    if checkpointing:
        checkpoint_activations(model)
    sum(level.square().mean() for level in model["neck"](model["backbone"](images))).backward()
    expected = dict(golden.grad)
    found = {"images": images.grad} | {name: p.grad for name, p in model.named_parameters()}
    assert all(gradient is not None for gradient in found.values())
    pairs = [(torch.from_numpy(expected.pop("images")), found["images"])]
    pairs += [(gradient, found[name]) for name, gradient in from_detectron2_vitdet(expected).items()]
    assert len(pairs) == 7
    for theirs, ours in pairs:
        assert distance(ours, theirs) < 1e-3


def test_in_bfloat16(golden, device):
    model = load(golden)
    with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16):
        levels = model["neck"](model["backbone"](golden.images))
    for number, level in enumerate(levels, start=2):
        assert distance(level, golden.output(f"p{number}")) < BF16


def test_names_of_published_detectors():
    weight = torch.zeros(2)
    published = {
        "backbone.net.blocks.0.norm1.weight": weight,
        "backbone.simfp_5.2.norm.bias": weight,
        "roi_heads.mask_head.predictor.bias": weight,
        "proposal_generator.rpn_head.conv.conv0.bias": weight,
    }
    assert set(from_detectron2_vitdet(published)) == {"backbone.blocks.0.norm1.weight", "neck.fpn_convs.3.1.bias"}
    for name in ("net.head.weight", "simfp_4.2.weight", "simfp_3.0.norm.weight", "bottom_up.stem.weight"):
        with pytest.raises(ValueError, match=f"{name}' is no name of detectron2's ViTDet"):
            from_detectron2_vitdet({name: weight})
