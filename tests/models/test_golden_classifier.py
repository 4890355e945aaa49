"""The classifier gives the original fine-tuning model's scores."""

import re

import numpy as np
import torch

from mirl_mm import ImageClassifier
from tests.golden import Golden


def ours(name: str) -> str:
    """Our name for one of the authors'."""
    name = re.sub(r"^fc_norm\.", "head.norm.", name)
    return re.sub(r"^head\.(weight|bias)$", r"head.fc.\1", name) if name.startswith("head.") else f"backbone.{name}"


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
    state = {}
    for name, array in golden.param.items():
        tensor = torch.from_numpy(np.array(array))
        state[ours(name)] = tensor.t() if name.endswith(".weight") and tensor.ndim == 2 else tensor
    model.load_state_dict(state)
    torch.testing.assert_close(model.eval()(golden.images), golden.output("logits"), rtol=0, atol=1e-5)
