"""Batch norm that levels share is seen, whatever the head, and nothing else is."""

import pytest

from mirl_mm.detection.mmdet_parts.shared_norms import shared_batch_norms
from mirl_mm.engine.launch import build_runner, load_config
from tests.detection.small import small_detector
from tests.training import ROOT

BN = {"type": "BN"}
ANCHORS = {
    "type": "AnchorGenerator",
    "ratios": [1.0],
    "octave_base_scale": 4,
    "scales_per_octave": 1,
    "strides": [8, 16, 32],
}
SMALL = {"num_classes": 3, "in_channels": 8, "feat_channels": 8, "stacked_convs": 2}
GFL = {"type": "GFLHead", **SMALL, "anchor_generator": ANCHORS}
RETINA = {**SMALL, "anchor_generator": {**ANCHORS, "ratios": [0.5, 1.0]}}
FCOS = {"type": "FCOSHead", **SMALL, "strides": [8, 16, 32], "regress_ranges": [(-1, 64), (64, 128), (128, 1e8)]}


def found(head: dict, name: str = "bbox_head") -> dict[str, int]:
    return {place: len(norms) for place, norms in shared_batch_norms({"type": "GFL", name: head})}


@pytest.mark.parametrize(
    "head",
    [GFL, {"type": "RetinaHead", **RETINA}, FCOS, {"type": "ATSSHead", **SMALL, "anchor_generator": ANCHORS}],
    ids=lambda head: head["type"],
)
def test_towers_over_levels(head):
    assert found({**head, "norm_cfg": BN}) == {"model.bbox_head": 4}
    assert found({**head, "norm_cfg": {"type": "SyncBN"}}) == {"model.bbox_head": 4}
    assert found({**head, "norm_cfg": {"type": "GN", "num_groups": 4}}) == {}


def test_norms_of_each_level_and_of_regions_are_right():
    assert found({"type": "RetinaSepBNHead", "num_ins": 3, **RETINA, "norm_cfg": BN}) == {}
    one_level = {**GFL, "anchor_generator": {**ANCHORS, "strides": [8]}}
    assert found({**one_level, "norm_cfg": BN}) == {}
    for config in ("shapes/mirl_det_shapes.py", "det/mirl_vitb_gfl_coco.py", "det/mirl_vitb_cascade_coco.py"):
        assert list(shared_batch_norms(load_config(ROOT / "configs" / config).model)) == []


def test_within_test_time_augmentation():
    model = {"type": "DetTTAModel", "module": {"type": "GFL", "bbox_head": {**GFL, "norm_cfg": BN}}}
    assert [place for place, _ in shared_batch_norms(model)] == ["model.module.bbox_head"]


def test_a_run_says_it_before_its_first_step(shapes, tmp_path):
    cfg = small_detector(shapes, tmp_path / "run")
    del cfg.model.roi_head, cfg.model.rpn_head
    strides = {**ANCHORS, "strides": [4, 8]}
    head = {**GFL, "in_channels": 64, "norm_cfg": BN, "anchor_generator": strides}
    test = {"nms_pre": 100, "score_thr": 0.05, "nms": {"type": "nms", "iou_threshold": 0.6}, "max_per_img": 10}
    train = {"assigner": {"type": "ATSSAssigner", "topk": 9}, "allowed_border": -1, "pos_weight": -1}
    cfg.model.update(type="GFL", bbox_head=head, train_cfg=train, test_cfg=test)
    runner = build_runner(cfg, ["train_dataloader", "val_dataloader"])
    runner.call_hook("before_run")
    (log,) = (tmp_path / "run").glob("*/*.log")
    text = log.read_text()
    assert "WARNING - model.bbox_head has batch norm (cls_convs.0.bn and 3 more) that all levels share" in text
    assert "norm_cfg=dict(type='GN', num_groups=32)" in text
