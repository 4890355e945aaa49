"""A classifier on timm's models trains, resumes to the bit, is exported, compiled, and loads its own export."""

import json

import pytest
import timm
import torch

from mirl_mm import ImageClassifier, TimmViT
from mirl_mm.analysis import encoder_cost, encoder_settings, model_parts
from mirl_mm.analysis.memory import activation_bytes
from mirl_mm.engine.compilation import compile_training
from mirl_mm.engine.derive_from_backbone import fit_to_backbone
from mirl_mm.engine.freezing import settle_freezing
from mirl_mm.engine.launch import load_config
from mirl_mm.export import export_weights, open_source
from mirl_mm.models.layers import Size
from mirl_mm.probing.encoder import load_encoder
from mirl_mm.probing.features import pooled_tokens
from mirl_mm.timm import load
from tests.models.timm_cases import KINDS, reference
from tests.training import ROOT, small_classifier, train, weights, write_class_folders

#: Shown each time; the rest is slow.
_QUICK = ("dinov2, registers, patch 14", "dinov3, rotary")
some_kinds = pytest.mark.parametrize(
    "kind", [kind if kind in _QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)


def backbone(kind: str, size: Size = (64, 64), **settings) -> dict:
    name, options = KINDS[kind]
    return {"type": "TimmViT", "model_name": name, "timm_kwargs": options, "img_size": size, **settings}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_class_folders(tmp_path_factory.mktemp("data") / "images", 8, 4)


def config(kind, data, work_dir, **options):
    cfg = small_classifier(data, work_dir, train_dataloader__batch_size=4, **options)
    cfg.model.backbone = backbone(kind, final_norm=False, drop_path_rate=0.2)
    return cfg


@some_kinds
def test_trains_resumes_and_loads_its_own_export(kind, data, tmp_path):
    train(config(kind, data, tmp_path / "whole"))
    resumed = config(kind, data, tmp_path / "resumed")
    resumed.load_from, resumed.resume = str(tmp_path / "whole/epoch_1.pth"), True
    train(resumed)
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "resumed")
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    start = weights(tmp_path / "whole", 1)
    same = [name for name, tensor in expected.items() if torch.equal(tensor, start[name])]
    assert same == []

    source = open_source(tmp_path / "whole/epoch_2.pth")
    if kind == "distillation token":
        with pytest.raises(ValueError, match="have two heads: choose the layout 'mirl'"):
            export_weights(source, tmp_path / "own.safetensors")
        assert export_weights(source, tmp_path / "own.safetensors", part="backbone").difference < 1e-5
        return
    written = export_weights(source, tmp_path / "own.safetensors")
    assert written.difference < 1e-5
    model = ImageClassifier(
        backbone(kind, final_norm=False), {"type": "LinearClsHead", "num_classes": 2},
        init_cfg={"type": "Pretrained", "checkpoint": str(written.path)},
    )  # fmt: skip
    model.init_weights()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())
    theirs = timm.create_model(
        written.metadata["timm_model"], checkpoint_path=str(written.path),
        **json.loads(written.metadata["timm_arguments"]),
    ).eval()  # fmt: skip
    with pytest.raises(ValueError, match=f"is of timm's own {KINDS[kind][0]}: timm.create_model makes it"):
        load(written.path)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(theirs(images), model.eval()(images), rtol=0, atol=1e-5)

    encoder = load_encoder(tmp_path / "whole/epoch_2.pth")
    assert encoder.fingerprint() == load_encoder(tmp_path / "whole/epoch_2.pth").fingerprint()
    first, last = pooled_tokens(encoder.backbone.eval(), images, [0, 2])
    tokens = model.backbone.forward_tokens(images)[-1]
    torch.testing.assert_close(last, tokens[:, model.backbone.num_prefix_tokens :].mean(dim=1))
    assert not torch.equal(first, last)


@some_kinds
def test_counted_on_meta(kind):
    """Parameters are timm's; arithmetic of the whole is that of its parts, and recomputation keeps less."""
    settings = backbone(kind)
    cost = encoder_cost(encoder_settings(settings))
    theirs = reference(kind)
    heads = [part for name in ("attn_pool", "fc_norm") if (part := getattr(theirs, name, None)) is not None]
    position = 0 if theirs.pos_embed is None else theirs.pos_embed.numel() - TimmViT(
        KINDS[kind][0], (64, 64), KINDS[kind][1]).pos_embed.numel()  # fmt: skip
    dropped = sum(p.numel() for part in heads for p in part.parameters())
    assert cost.parameters == sum(p.numel() for p in theirs.parameters()) - dropped - position
    model = {"type": "ImageClassifier", "backbone": settings, "head": {"type": "LinearClsHead", "num_classes": 3}}
    parts = {part.name: part for part in model_parts(model)}
    assert parts["backbone"].macs.total == cost.macs.total > 0 and cost.macs.attention > 0
    assert 0 < activation_bytes(model, 2, checkpointing=True) < activation_bytes(model, 2)


@pytest.mark.det
def test_a_detectors_config_follows_and_freezes():
    """Width and strides are settled by timm's model, and the setting of segmentors freezes a detector's."""
    name, options = KINDS["dinov2, registers, patch 14"]
    cfg = load_config(ROOT / "configs/det/mirl_vitb_coco.py")
    cfg.model.backbone = {"type": "mirl_mm.TimmViT", "model_name": name, "timm_kwargs": options, "map_stride": 16}
    cfg.model.freeze_backbone = True
    fit_to_backbone(cfg)
    settle_freezing(cfg)
    assert cfg.model.neck.in_channels == 48 and cfg.model.backbone.frozen is True
    assert cfg.model.rpn_head.anchor_generator.strides == [4, 8, 16, 32, 64]
    cfg.model.backbone.map_stride = None
    fit_to_backbone(cfg)
    assert cfg.model.rpn_head.anchor_generator.strides == [3.5, 7, 14, 28, 56]


@pytest.mark.parametrize("kind", [kind for kind in ("dinov3, rotary", "mixed rotary") if kind in KINDS])
def test_compiled_equals_plain(kind):
    images = torch.randn(2, 3, 64, 64)
    gradients = []
    for compiled in (False, True):
        torch.manual_seed(0)
        model = ImageClassifier(backbone(kind), {"type": "LinearClsHead", "num_classes": 3, "init_std": 0.02})
        if compiled:
            assert compile_training(model.train(), backend="eager").parts == ("1 run of 2 blocks",)
        model(images).square().sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-5, atol=1e-6, msg=name)
