"""From a MIRL pre-training to the backbone of a detector: what its checkpoint brings, and what the report says."""

import logging

import pytest
import torch
from mmengine.registry import DefaultScope
from timm.layers import resample_abs_pos_embed

from mirl_mm import DeepViT
from mirl_mm.checkpoint import read_any
from mirl_mm.engine.launch import load_config
from mirl_mm.registry import MODELS
from tests.training import ROOT, small_config, train, write_images

ARCH = {"depth": 4, "embed_dims": 16, "num_heads": 2}
RELATIVE = [f"blocks.{i}.attn.rel_pos_{axis}" for i in range(4) for axis in "hw"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    """Of configs/pretrain/mirl_tiny24_64px.py with four blocks: images of 64 x 64, 8 x 8 patches."""
    folder = tmp_path_factory.mktemp("pretraining")
    cfg = small_config(
        write_images(folder / "data", 8), folder / "run", train_cfg__max_epochs=1, model__backbone__arch=ARCH
    )
    train(cfg)
    return str(folder / "run/epoch_1.pth")


@pytest.fixture
def said(monkeypatch) -> list[tuple[str, int]]:
    """Lines of the report and their levels."""
    lines: list[tuple[str, int]] = []
    monkeypatch.setattr("mirl_mm.models.backbones.pretrained._log", lambda line, level: lines.append((line, level)))
    return lines


def backbone(checkpoint: str, **settings):
    """That of configs/det/mirl_vitb_coco.py, small, as a run makes it."""
    options = {
        "arch": ARCH,
        "patch_size": 8,
        "img_size": (256, 384),
        "pretrain_img_size": (64, 64),
        "global_attn_indexes": (1, 3),
        "init_cfg": {"type": "Pretrained", "checkpoint": checkpoint},
        **settings,
    }
    cfg = load_config(ROOT / "configs/det/mirl_vitb_coco.py")
    cfg.model.backbone.update(options)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model.backbone)
        model.init_weights()
    return model.eval()


def test_what_the_report_says(checkpoint, said):
    model = backbone(checkpoint)
    assert model.window_size == (14, 14) and model.use_rel_pos
    lines = [line.removeprefix(f"DeepViT from {checkpoint}: ") for line, _ in said]
    assert lines[0] == "a model with a DeepViT as backbone (torch file), epoch 1"
    blocks = 4 * 12 + 2  # besides them, the projection of the patches
    assert lines[1].startswith(f"{blocks + 1} tensors fit; 8 relative positions begin at zero, as the file has none; ")
    assert "; 3 unexpected: cls_token, norm.weight, norm.bias; not the backbone's: decoders.* (" in lines[1]
    assert not [line for line, level in said if level > logging.INFO]


def test_a_file_that_lacks_some_relative_positions_is_another_matter(tmp_path, said):
    state = DeepViT(ARCH, (64, 64), 8, class_token=False, window_size=4, use_rel_pos=True).state_dict()
    lost = [state.pop(name) for name in RELATIVE[-2:]]
    torch.save(state, tmp_path / "some.pth")
    backbone(str(tmp_path / "some.pth"), img_size=(64, 64), window_size=4, global_attn_indexes=(), final_norm=True)
    (warning,) = [line for line, level in said if level == logging.WARNING]
    assert len(lost) == 2 and warning.endswith(f": stay as initialised: {', '.join(RELATIVE[-2:])}")


def test_weights_are_kept_and_relative_positions_begin_at_zero(checkpoint):
    ours, theirs = backbone(checkpoint).state_dict(), read_any(checkpoint).state
    assert {name for name in ours if f"backbone.{name}" not in theirs} == set(RELATIVE)
    assert all(torch.equal(ours[name], theirs[f"backbone.{name}"]) for name in ours if name not in RELATIVE)
    assert not any(ours[name].any() for name in RELATIVE)
    assert not any(name.startswith(("decoder", "embeds", "norms")) for name in ours)
    sizes = [len(ours[name]) for name in RELATIVE]
    assert sizes == [27, 27, 63, 95] * 2  # of windows of 14 x 14, and of the map of 32 x 48


@pytest.mark.parametrize("settings", [{}, {"pretrain_img_size": None}])
def test_positions_are_resampled_as_designed(checkpoint, settings):
    """Stored for the pre-training's size and resampled in every step, or once, when they are loaded: the same."""
    model = backbone(checkpoint, **settings)
    theirs = read_any(checkpoint).state["backbone.pos_embed"]
    assert model.pos_embed.shape == ((1, 1 + 64, 16) if not settings else (1, 1 + 32 * 48, 16))
    assert torch.equal(model.pos_embed, theirs) == (not settings)
    expected = resample_abs_pos_embed(theirs, (32, 48), (8, 8), antialias=False)
    torch.testing.assert_close(model.positions((32, 48)), expected)
    assert model.pos_embed.requires_grad


def test_it_starts_with_the_pretrainings_features(checkpoint):
    """With windows as large as the map and relative positions at zero: those of the encoder without its class token."""
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    windows = backbone(checkpoint, window_size=8)
    plain = backbone(checkpoint, window_size=None, use_rel_pos=False, global_attn_indexes=None)
    with torch.no_grad():
        torch.testing.assert_close(windows(images)[0], plain(images)[0], rtol=1e-4, atol=1e-5)
