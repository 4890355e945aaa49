"""Adapters on attention: every one is used, they alone are trained, files stay those of the plain model."""

import copy
import sys

import pytest
import torch

from mirl_mm import DeepViT, ImageClassifier, TimmViT
from mirl_mm.checkpoint.load_report import ADAPTERS
from mirl_mm.engine import LayerDecayOptimWrapperConstructor
from mirl_mm.models.backbones.lora import merge_adapters
from tests.models.timm_cases import KINDS, randomise

pytest.importorskip("peft", exc_type=ImportError)

LORA = {"r": 4, "lora_alpha": 8}
_ARCH = {"depth": 2, "embed_dims": 48, "num_heads": 3}
#: DeepViT as classifiers have it, and as detectors do, with windows that do not tile the map.
_OURS = {
    "DeepViT": {"img_size": (64, 64)},
    "DeepViT, windows": {"img_size": (48, 80), "class_token": False, "window_size": 2, "use_rel_pos": True},
}
each_kind = pytest.mark.parametrize("kind", [*_OURS, *KINDS])


def make(kind: str, **settings) -> DeepViT | TimmViT:
    if kind in _OURS:
        return DeepViT(_ARCH, **_OURS[kind], **settings)
    name, options = KINDS[kind]
    return TimmViT(name, timm_kwargs=options, img_size=(48, 80), **settings)


@each_kind
def test_every_adapter_counts_and_is_merged(kind):
    plain, model = randomise(make(kind)), make(kind, lora=LORA)
    names = {name for name in model.state_dict() if name.endswith(ADAPTERS)}
    assert model.state_dict().keys() - names == plain.state_dict().keys()
    missing, unexpected = model.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected and all("lora_" in name for name in missing)
    images = torch.randn(2, 3, *model.img_size, generator=torch.Generator().manual_seed(0))
    start = plain.eval().forward_tokens(images)[-1]
    torch.testing.assert_close(model.eval().forward_tokens(images)[-1], start, rtol=0, atol=1e-5)

    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained.keys() == names
    layers = 2 if any("qkv" in name for name in names) else 4
    assert len(names) == 2 * 2 * layers  # A and B, in each block
    with torch.no_grad():
        for parameter in trained.values():
            parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(parameter.numel()))
    unmerged = model.forward_tokens(images)[-1]
    unmerged.square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in trained.values())
    assert all(parameter.grad is None for name, parameter in model.named_parameters() if name not in trained)
    assert not torch.allclose(unmerged, start, atol=1e-2)

    again = make(kind, lora=LORA)
    again.load_state_dict(model.state_dict())
    assert torch.equal(copy.deepcopy(again).eval().forward_tokens(images)[-1], unmerged)
    merge_adapters(model)
    assert model.state_dict().keys() == plain.state_dict().keys() and model.lora is None
    with torch.no_grad():
        torch.testing.assert_close(model.forward_tokens(images)[-1], unmerged, rtol=1e-5, atol=1e-5)


def test_files_with_and_without_adapters(tmp_path):
    plain = randomise(make("DeepViT"))
    torch.save(plain.state_dict(), tmp_path / "plain.pth")
    model = make("DeepViT", lora=LORA, init_cfg={"type": "Pretrained", "checkpoint": str(tmp_path / "plain.pth")})
    model.init_weights()
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in plain.state_dict().items())
    torch.save(model.state_dict(), tmp_path / "adapted.pth")
    plain.init_cfg = {"type": "Pretrained", "checkpoint": str(tmp_path / "adapted.pth")}
    with pytest.raises(ValueError, match=r"the file has adapters \(.*merge them into its weights by tools/model_conv"):
        plain.init_weights()


def test_layers_and_weight_decay_of_adapters():
    """An adapter has its block's rate, and weight decay as all matrices, which draws it to the pre-trained weights."""
    model = ImageClassifier(make("DeepViT", lora=LORA), {"type": "LinearClsHead", "num_classes": 2})
    optimizer = {"type": "AdamW", "lr": 1.0, "weight_decay": 0.05}
    constructor = LayerDecayOptimWrapperConstructor({"optimizer": optimizer}, {"layer_decay": 0.5})
    groups = constructor(model).optimizer.param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {names[id(p)]: (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert found["backbone.blocks.0.attn.qkv.lora_A.default.weight"] == (0.25, 0.05)
    assert found["backbone.blocks.1.attn.proj.lora_B.default.weight"] == (0.5, 0.05)
    assert found["head.fc.bias"] == (1, 0) and not any("base_layer" in name for name in found)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lora": {"lora_alpha": 8}}, "lora needs a rank r between 1 and the width 48, got r=None"),
        ({"lora": {"r": 4, "rank": 8}}, "lora has no rank: it takes r, lora_alpha"),
        ({"lora": {"r": 4, "target_modules": ["attn.query"]}}, "peft can't put lora=.*attn.query"),
        ({"lora": LORA, "frozen": True}, "take frozen or lora, not both"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        make("DeepViT", **settings)


def test_without_peft(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"lora needs peft .*pip install 'mirl_mm\[lora\]'"):
        make("DeepViT", lora=LORA)
