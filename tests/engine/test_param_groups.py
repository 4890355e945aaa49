import copy

import pytest
import torch
from mmengine.optim import OptimWrapper

from mirl_mm import MIRL
from mirl_mm.engine import Bf16OptimWrapper, GroupedOptimWrapperConstructor

ADAMW = {"type": "AdamW", "lr": 1e-3, "weight_decay": 0.05}


@pytest.fixture(scope="module")
def model() -> MIRL:
    arch = {"depth": 2, "embed_dims": 16, "num_heads": 2}
    backbone = {"type": "DeepViT", "arch": arch, "img_size": (16, 16), "patch_size": 8}
    return MIRL(backbone, num_segments=2, decoder_embed_dims=16, decoder_depth=1, decoder_num_heads=2)


def build(model: MIRL, kind: str = "OptimWrapper", **paramwise) -> OptimWrapper:
    return GroupedOptimWrapperConstructor({"type": kind, "optimizer": dict(ADAMW)}, paramwise)(model)


def test_two_groups_hold_every_trainable_parameter_once(model):
    decayed, plain = build(model).optimizer.param_groups
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[id(p)] for group in (decayed, plain) for p in group["params"]} == {
        name for name, p in model.named_parameters() if p.requires_grad
    }
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.05, 0)
    assert all(p.ndim > 1 for p in decayed["params"])
    assert all(p.ndim == 1 for p in plain["params"])
    assert any(p is model.backbone.cls_token for p in decayed["params"])  # as MAE and MIRL do


def test_custom_keys(model):
    groups = build(model, custom_keys={r"cls_token|mask_token": {"decay_mult": 0.0}, "decoders": {"lr_mult": 0.1}})
    settings = {(g["lr"], g["weight_decay"]) for g in groups.optimizer.param_groups}
    assert settings == {(1e-3, 0.0), (1e-3, 0.05), (1e-4, 0.0), (1e-4, 0.05)}


def test_errors(model):
    with pytest.raises(ValueError, match=r"\['mask_tokne'\] match no trainable parameter"):
        build(model, custom_keys={"mask_tokne": {}})
    with pytest.raises(
        ValueError, match=r"knows 'bias_decay', 'ln2d_decay', 'custom_keys' only, got \['norm_decay_mult'\]"
    ):
        build(model, norm_decay_mult=0.0)


def test_bf16_wrapper_computes_in_bf16_and_keeps_float32_weights(model, device):
    """On the model's device, whatever others there are."""
    model = copy.deepcopy(model).to(device)
    wrapper = build(model, "Bf16OptimWrapper")
    assert isinstance(wrapper, Bf16OptimWrapper)
    seen = []
    handle = model.embeds[0].register_forward_hook(lambda _module, _args, out: seen.append(out.dtype))
    with wrapper.optim_context(model):
        loss = model(torch.randn(2, 3, 16, 16, device=device), mode="loss")["loss"]
    handle.remove()
    wrapper.update_params(loss)
    assert seen == [torch.bfloat16]
    assert {p.dtype for p in model.parameters()} == {torch.float32}
