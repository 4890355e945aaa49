"""The classifier gives the original fine-tuning model's scores."""

import torch

from mirl_mm import ImageClassifier
from mirl_mm.checkpoint.layouts import from_vit, torch_axes
from tests.golden import Golden


def test_logits():
    golden = Golden("vit_cls_w24")
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
    torch.testing.assert_close(model.eval()(golden.images), golden.output("logits"), rtol=0, atol=1e-5)
