"""Small checkpoints as ``tools/train.py`` writes them, with every weight random."""

from pathlib import Path

import torch
from mmengine.config import Config

from mirl_mm.registry import MODELS

BACKBONE = {
    "type": "DeepViT",
    "arch": {"depth": 2, "embed_dims": 24, "num_heads": 3},
    "img_size": (32, 48),
    "patch_size": 8,
}
IMAGENET = {
    "type": "ImgDataPreprocessor",
    "mean": [123.675, 116.28, 103.53],
    "std": [58.395, 57.12, 57.375],
}


def classifier(pool: str = "avg", norm: bool = True, final_norm: bool = False, head: str = "LinearClsHead") -> dict:
    """A classifier's config, of 5 classes."""
    return {
        "type": "ImageClassifier",
        "data_preprocessor": IMAGENET,
        "backbone": {**BACKBONE, "pos_embed": "learned", "final_norm": final_norm, "drop_path_rate": 0.2},
        "head": {"type": head, "num_classes": 5, "pool": pool, "norm": norm},
        "mixup": {"mixup_alpha": 0.8},
    }


def pretrainer() -> dict:
    """A MIRL's config."""
    return {
        "type": "MIRL",
        "data_preprocessor": IMAGENET,
        "backbone": BACKBONE,
        "num_segments": 2,
        "decoder_embed_dims": 16,
        "decoder_depth": 1,
        "decoder_num_heads": 2,
    }


def write(path: Path, model: dict, with_config: bool = True) -> torch.nn.Module:
    """Save a checkpoint of epoch 3; returns the model in evaluation mode."""
    torch.manual_seed(0)
    built = MODELS.build(model)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.normal_(std=0.3)
        for name, buffer in built.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 2)
    meta = {"epoch": 3} | ({"cfg": Config({"model": model}).pretty_text} if with_config else {})
    torch.save({"state_dict": built.state_dict(), "meta": meta}, path)
    return built.eval()


def write_detector(path: Path) -> torch.nn.Module:
    """Save a checkpoint that looks like a Mask R-CNN's; returns its backbone in evaluation mode.

    Nothing but the backbone is ever built of it; mmdet knows the names of the other parts.
    """
    torch.manual_seed(0)
    backbone = MODELS.build({**BACKBONE, "class_token": False})
    state = {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}
    parts = {
        "neck": {"type": "mirl_mm.SimpleFPN"},
        "rpn_head": {"type": "RPNHead"},
        "roi_head": {"type": "StandardRoIHead"},
    }
    state |= {f"{part}.weight": torch.ones(3) for part in parts}
    own = {**BACKBONE, "type": "mirl_mm.DeepViT", "class_token": False}
    model = {"type": "MaskRCNN", "data_preprocessor": IMAGENET, "backbone": own, **parts}
    cfg = Config({"default_scope": "mmdet", "model": model})
    torch.save({"state_dict": state, "meta": {"cfg": cfg.pretty_text}}, path)
    return backbone.eval()
