"""Small models of timm's kinds, and random weights for them."""

import timm
import torch
from mmengine.config import Config
from torch import nn

_SMALL = {"depth": 2, "embed_dim": 48, "num_heads": 3}

#: What is special about it: (name, arguments). All but the first have something that DeepViT lacks.
KINDS = {
    "plain": ("vit_tiny_patch16_224", _SMALL),
    "dinov2, registers, patch 14": ("vit_small_patch14_reg4_dinov2", _SMALL),
    "dinov3, rotary": ("vit_small_patch16_dinov3", _SMALL),
    "clip, norm before the blocks": ("vit_base_patch16_clip_quickgelu_224", _SMALL),
    "swiglu, patch 14": ("vit_giant_patch14_dinov2", {**_SMALL, "mlp_ratio": 4}),
    "eva02, separate queries, rotary": ("eva02_tiny_patch14_224", _SMALL),
    "mixed rotary": ("vit_small_patch16_rope_mixed_224", _SMALL),
    "no class token": ("vit_base_patch16_siglip_224", _SMALL),
    "distillation token": ("deit_tiny_distilled_patch16_224", _SMALL),
    "norms of queries": ("vit_tiny_patch16_224", {**_SMALL, "qk_norm": True}),
}
#: Those that this timm has; earlier ones know no DINOv3.
KINDS = {kind: (name, options) for kind, (name, options) in KINDS.items() if timm.is_model(name)}

#: Those whose blocks can't attend within windows.
ROTARY = {"dinov3, rotary", "eva02, separate queries, rotary", "mixed rotary"}


def randomise(model: nn.Module) -> nn.Module:
    """Random weights everywhere: at first, layer scale is near zero and hides the blocks."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def reference(kind: str) -> nn.Module:
    """timm's own model, in evaluation mode, for images of any size."""
    name, options = KINDS[kind]
    return randomise(
        timm.create_model(name, num_classes=0, dynamic_img_size=True, dynamic_img_pad=True, **options)
    ).eval()


def check_timm_start(cfg: Config) -> None:
    """A config's backbone starts from weights that timm has, and its images are normalised as those were trained on."""
    facts = timm.get_pretrained_cfg(cfg.model.backbone.model_name)
    assert facts.hf_hub_id and cfg.model.backbone.init_cfg == {"type": "Pretrained", "checkpoint": "timm"}
    for ours, theirs in ((cfg.model.data_preprocessor.mean, facts.mean), (cfg.model.data_preprocessor.std, facts.std)):
        assert [round(value / 255, 4) for value in ours] == [round(value, 4) for value in theirs]
