"""The classifier gives the original fine-tuning model's scores."""

import torch

from mirl_mm import ImageClassifier
from mirl_mm.checkpoint.key_maps import torch_axes
from mirl_mm.checkpoint.key_maps_timm import from_vit
from tests.golden import BF16, Golden, distance


def load(device: torch.device) -> tuple[ImageClassifier, Golden]:
    golden = Golden("vit_cls_w24", device)
    arch = {"depth": 6, "embed_dims": 24, "num_heads": 3}
    backbone = {
        "type": "DeepViT",
        "arch": arch,
        "img_size": (64, 64),
        "pos_embed": "learned",
        "final_norm": False,
    }
    model = ImageClassifier(backbone, {"type": "LinearClsHead", "num_classes": 10})
    model.load_state_dict(from_vit(torch_axes(golden.param)))
    return model.to(device).eval(), golden


def test_logits(device):
    model, golden = load(device)
    torch.testing.assert_close(model(golden.images), golden.output("logits"), rtol=0, atol=1e-5)


def test_logits_in_bfloat16(device):
    model, golden = load(device)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        logits = model(golden.images)
    assert distance(logits, golden.output("logits")) < BF16
