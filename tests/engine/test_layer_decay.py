import json

import pytest
import torch
from mmengine.model import BaseModel, ExponentialMovingAverage
from torch import nn

from mirl_mm import DeepViT, ImageClassifier
from mirl_mm.engine import LayerDecayOptimWrapperConstructor
from tests.golden import GOLDEN

ADAMW = {"type": "AdamW", "lr": 6e-3, "weight_decay": 0.05}


def classifier(depth: int = 6) -> ImageClassifier:
    arch = {"depth": depth, "embed_dims": 24, "num_heads": 3}
    backbone = {"type": "DeepViT", "arch": arch, "img_size": (64, 64), "pos_embed": "learned", "final_norm": False}
    return ImageClassifier(backbone, {"type": "LinearClsHead", "num_classes": 10})


def build(model: nn.Module, **paramwise) -> torch.optim.Optimizer:
    settings = {"layer_decay": 0.88} | paramwise
    return LayerDecayOptimWrapperConstructor({"optimizer": dict(ADAMW)}, settings)(model).optimizer


def settings_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, tuple[float, float]]:
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        names[id(p)]: (group["lr"] / ADAMW["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }


def golden_settings() -> dict[str, tuple[float, float]]:
    """The authors' settings under our names."""
    params = json.loads((GOLDEN / "layer_decay_depth6_0.88.json").read_text())["params"]
    renamed = {"head.weight": "head.fc.weight", "head.bias": "head.fc.bias"}
    renamed |= {f"fc_norm.{leaf}": f"head.norm.{leaf}" for leaf in ("weight", "bias")}
    return {renamed.get(name, f"backbone.{name}"): tuple(value) for name, value in params.items()}


def test_golden_settings_exactly():
    model = classifier()
    found, expected = settings_of(model, build(model)), golden_settings()
    assert found.keys() == expected.keys()
    for name, (scale, decay) in expected.items():
        assert found[name][0] == pytest.approx(scale, rel=1e-12), name
        assert found[name][1] == decay, name


def test_groups_are_fused():
    # 6 blocks with and without weight decay, likewise the embeddings and the head
    assert len(build(classifier()).param_groups) == 2 * (6 + 2)


def test_ema_wrapper_and_nesting_change_nothing():
    model = classifier()
    wrapped = ExponentialMovingAverage(model)
    wrapped.module.requires_grad_(True)  # the average of weights is frozen as it is made
    assert list(settings_of(wrapped.module, build(wrapped)).values()) == list(settings_of(model, build(model)).values())

    class Detector(BaseModel):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.ModuleDict({"backbone": model.backbone})
            self.neck = nn.Linear(24, 8)

        def forward(self, *args, **kwargs):
            raise NotImplementedError

    detector = Detector()
    found = settings_of(detector, build(detector))
    assert found["inner.backbone.blocks.0.attn.qkv.weight"] == (pytest.approx(0.88**6), 0.05)
    assert found["neck.weight"] == (1.0, 0.05)
    assert found["neck.bias"] == (1.0, 0.0)


def test_custom_keys_multiply():
    model = classifier()
    found = settings_of(model, build(model, custom_keys={r"blocks\.5\.mlp": {"lr_mult": 0.5, "decay_mult": 2.0}}))
    assert found["backbone.blocks.5.mlp.fc1.weight"] == (pytest.approx(0.44), 0.1)
    assert found["backbone.blocks.5.attn.qkv.weight"] == (pytest.approx(0.88), 0.05)


def test_a_frozen_parameter_is_left_out():
    model = classifier()
    model.backbone.pos_embed.requires_grad_(False)
    assert "backbone.pos_embed" not in settings_of(model, build(model))


def test_errors():
    model = classifier(depth=2)
    model.backbone.adapter = nn.Linear(3, 3)
    with pytest.raises(ValueError, match=r"'backbone\.adapter\.weight' is no parameter of DeepViT that has a layer"):
        build(model)
    with pytest.raises(ValueError, match=r"needs one module with get_layer_depth.* in Linear, and none has it"):
        build(nn.Linear(3, 3))
    with pytest.raises(ValueError, match=r"2 have it: 0, 1"):
        build(nn.Sequential(*(classifier(2).backbone for _ in range(2))))
    for bad in (None, 0, 1.2, "0.9"):
        with pytest.raises(ValueError, match=r"layer_decay must lie in \(0, 1\]"):
            build(classifier(2), layer_decay=bad)


def test_the_table_leaves_out_the_middle_of_a_deep_model(caplog):
    constructor = LayerDecayOptimWrapperConstructor({"optimizer": dict(ADAMW)}, {"layer_decay": 0.9})
    constructor(DeepViT({"depth": 30, "embed_dims": 8, "num_heads": 1}, img_size=(32, 32)))
    lines = constructor._table(2).splitlines()
    assert len(lines) == 2 + 4 + 1 + 4
    assert lines[2].split()[0] == "0" and lines[-1].split()[:2] == ["31", "1"]
    assert "1.111 each" in lines[6]
