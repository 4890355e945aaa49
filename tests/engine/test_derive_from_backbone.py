"""What follows from the backbone is set, and only that."""

import pytest
from mmengine.config import Config

from mirl_mm.engine.derive_from_backbone import fit_to_backbone

STRIDES = [4, 8, 16, 32, 64]


def detector(**backbone) -> Config:
    """A config with the places that mmdet's models have; ViT-B as it is written."""
    regions = {"out_channels": 256, "featmap_strides": STRIDES[:4]}
    return Config(
        {
            "model": {
                "type": "CascadeRCNN",
                "backbone": {"type": "DeepViT", "arch": "vit-b", "patch_size": 16, **backbone},
                "neck": {"type": "SimpleFPN", "in_channels": 768},
                "rpn_head": {"type": "RPNHead", "in_channels": 256, "anchor_generator": {"strides": STRIDES}},
                "roi_head": {
                    "bbox_roi_extractor": dict(regions),
                    "mask_roi_extractor": dict(regions),
                    "bbox_head": [{"in_channels": 256}, {"in_channels": 256}],
                    "mask_head": {"in_channels": 256},
                },
            }
        }
    )


def test_what_agrees_stays_and_nothing_is_said(capsys):
    cfg = detector()
    before = cfg.model.to_dict()
    fit_to_backbone(cfg)
    assert cfg.model.to_dict() == before
    assert capsys.readouterr().out == ""


def test_another_encoder(capsys):
    cfg = detector(arch="vit-s")
    fit_to_backbone(cfg)
    assert cfg.model.neck.in_channels == 384
    assert "as backbone and neck are: model.neck.in_channels = 384 (was 768)" in capsys.readouterr().out


def test_other_patches_and_levels():
    cfg = detector(patch_size=8)
    cfg.model.neck.update(scales=(2, 1), num_outs=3, out_channels=64)
    fit_to_backbone(cfg)
    model = cfg.model
    assert model.rpn_head.anchor_generator.strides == [4, 8, 16]
    regions = model.roi_head
    assert regions.bbox_roi_extractor.featmap_strides == regions.mask_roi_extractor.featmap_strides == [4, 8, 16]
    widths = [model.rpn_head.in_channels, regions.mask_head.in_channels, regions.bbox_roi_extractor.out_channels]
    assert widths + [head.in_channels for head in regions.bbox_head] == [64] * 5


def test_regions_may_leave_the_last_levels_out():
    cfg = detector(patch_size=32)
    fit_to_backbone(cfg)
    assert cfg.model.roi_head.bbox_roi_extractor.featmap_strides == [8, 16, 32, 64]
    assert cfg.model.rpn_head.anchor_generator.strides == [8, 16, 32, 64, 128]


def test_strides_of_a_head_without_anchors():
    cfg = detector()
    del cfg.model.rpn_head, cfg.model.roi_head
    cfg.model.bbox_head = {"type": "FCOSHead", "in_channels": 8, "strides": [8, 16]}
    cfg.model.neck.update(scales=(1, 0.5), num_outs=2)
    fit_to_backbone(cfg)
    assert (cfg.model.bbox_head.strides, cfg.model.bbox_head.in_channels) == ([16, 32], 256)


def test_what_a_config_leaves_to_a_class_is_not_written():
    cfg = detector(arch="vit-s")
    cfg.model.bbox_head = {"type": "DETRHead"}
    fit_to_backbone(cfg)
    assert cfg.model.bbox_head == {"type": "DETRHead"}


@pytest.mark.parametrize(
    ("part", "kind"), [("backbone", "ResNet"), ("neck", "ChannelMapper")], ids=["backbone", "neck"]
)
def test_other_kinds_stay(part, kind):
    cfg = detector(arch="vit-s")
    cfg.model[part].type = kind
    before = cfg.model.to_dict()
    fit_to_backbone(cfg)
    assert cfg.model.to_dict() == before
