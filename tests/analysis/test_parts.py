"""Parts against formulas by hand, and against the whole model."""

import pytest
import torch
from mmengine.registry import DefaultScope

from mirl_mm.analysis import Macs, count_macs, encoder_cost, encoder_settings, model_parts, total_cost
from mirl_mm.engine.launch import load_config
from mirl_mm.registry import MODELS
from tests.training import ROOT


def parts_of(path: str, img_size=None):
    cfg = load_config(ROOT / "configs" / path)
    return cfg, {part.name: part for part in model_parts(cfg.model, cfg.default_scope, img_size)}


def whole(cfg):
    with torch.device("meta"), DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(cfg.model).eval()


def small_detector(name: str):
    """Of images of 256 x 256, with four blocks."""
    cfg = load_config(ROOT / f"configs/det/{name}.py", {"model.backbone.img_size": (256, 256)})
    cfg.model.backbone.arch = {"depth": 4, "embed_dims": 768, "num_heads": 12}
    return cfg


def check_sums(cfg, parts) -> Macs:
    """All parameters and every multiply-add of the encoder are there; returns all multiply-adds."""
    parameters, macs = total_cost(list(parts.values()))
    assert parameters == sum(p.numel() for p in whole(cfg).parameters())
    assert parts["backbone"].macs == encoder_cost(encoder_settings(cfg.model)).macs
    return macs


def test_classifier():
    cfg, parts = parts_of("cls/mirl_tiny24_64px.py")
    assert parts["head"].macs == Macs(96 * 20, 0)
    assert parts["head"].parameters == 2 * 96 + 96 * 20 + 20
    check_sums(cfg, parts)


def test_another_image_size():
    _, parts = parts_of("cls/mirl_tiny24_64px.py", (64, 128))
    _, usual = parts_of("cls/mirl_tiny24_64px.py")
    assert parts["backbone"].macs.linear > 1.9 * usual["backbone"].macs.linear
    assert parts["head"] == usual["head"]


@pytest.mark.seg
def test_segmentor_is_counted_as_a_whole():
    pytest.importorskip("mirl_mm.segmentation.mmseg_parts", exc_type=ImportError)
    cfg, parts = parts_of("shapes/mirl_seg_shapes.py")
    model = whole(cfg)
    images = torch.empty(1, 3, *model.backbone.img_size, device="meta")
    assert check_sums(cfg, parts) == count_macs(lambda: model(images, mode="tensor"))
    assert parts["auxiliary_head"].macs == Macs(0, 0)


@pytest.mark.det
def test_detectors_heads_by_hand():
    pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
    cfg = small_detector("mirl_vitb_coco")
    parts = {part.name: part for part in model_parts(cfg.model, cfg.default_scope)}
    check_sums(cfg, parts)
    width, hidden, classes = 256, 1024, 80
    box = 4 * 49 * 9 * width * width + 49 * width * hidden + hidden * (classes + 1 + 4 * classes)
    assert parts["roi_head.bbox_head"].macs == Macs(1000 * box, 0)
    mask = 196 * (4 * 9 * width * width + 4 * width * width) + 784 * width * classes
    assert parts["roi_head.mask_head"].macs == Macs(100 * mask, 0)
    assert (parts["roi_head.bbox_head"].regions, parts["roi_head.mask_head"].regions) == (1000, 100)
    cells, anchors = 64**2 + 32**2 + 16**2 + 8**2 + 4**2, 3
    assert parts["rpn_head"].macs == Macs(cells * (2 * 9 * width * width + width * anchors * 5), 0)


@pytest.mark.det
def test_a_cascade_has_its_box_head_three_times_and_gfl_no_such_heads():
    pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
    cfg = small_detector("mirl_vitb_cascade_coco")
    names = [part.name for part in model_parts(cfg.model, cfg.default_scope)]
    heads = [f"roi_head.bbox_head.{i}" for i in range(3)]
    assert names == ["backbone", "neck", "rpn_head", *heads, "roi_head.mask_head"]
    cfg = small_detector("mirl_vitb_gfl_coco")
    names = [part.name for part in model_parts(cfg.model, cfg.default_scope)]
    assert names == ["backbone", "neck", "bbox_head"]


def test_models_without_a_deep_vit_are_refused():
    with pytest.raises(ValueError, match="is a MaskRCNN with a ResNet"):
        model_parts({"type": "MaskRCNN", "backbone": {"type": "ResNet"}}, "mmdet")
