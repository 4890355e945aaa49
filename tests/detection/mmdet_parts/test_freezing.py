"""A detector whose backbone is frozen by the setting that segmentors have."""

import pytest
import torch
from mmengine.config import Config

from mirl_mm.engine.freezing import settle_freezing
from mirl_mm.engine.launch import load_config
from tests.detection.small import small_detector
from tests.mmlab import state, train
from tests.training import ROOT


def test_the_backbone_neither_learns_nor_has_a_state_of_the_optimiser(shapes, tmp_path):
    model = train(small_detector(shapes, tmp_path / "run", model__freeze_backbone=True, train_cfg__max_iters=3))
    model.train()
    assert not any(module.training for module in model.backbone.modules()) and model.neck.training
    learnt = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    others = [name for name, _ in model.named_parameters() if not name.startswith("backbone.")]
    assert learnt == others
    optimizer = torch.load(tmp_path / "run/iter_3.pth", weights_only=False)["optimizer"]
    assert len(optimizer["state"]) == sum(len(group["params"]) for group in optimizer["param_groups"]) == len(others)
    before, after = state(tmp_path / "run/iter_2.pth"), state(tmp_path / "run/iter_3.pth")
    same = {name for name, tensor in after.items() if torch.equal(tensor, before[name])}
    assert {name for name in after if name.startswith("backbone.")} <= same
    assert "neck.fpn_convs.0.0.weight" not in same and "roi_head.bbox_head.fc_cls.weight" not in same


@pytest.mark.parametrize("config", ["det/mirl_vitb_gfl_coco.py", "det/mirl_vitb48_cascade_coco.py"])
def test_every_detector_has_it(config):
    cfg = load_config(ROOT / "configs" / config, {"model.freeze_backbone": True})
    assert cfg.model.backbone.frozen is True and "freeze_backbone" not in cfg.model


def test_segmentors_and_classifiers_read_it_themselves():
    for config in ("seg/mirl_vitb_ade20k.py", "cls/mirl_vitb_in1k.py"):
        cfg = load_config(ROOT / "configs" / config, {"model.freeze_backbone": True})
        assert cfg.model.freeze_backbone is True and "frozen" not in cfg.model.backbone


def test_other_backbones_have_settings_of_their_own():
    cfg = Config({"default_scope": "mmdet", "model": {"type": "GFL", "backbone": {"type": "ResNet", "depth": 50}}})
    settle_freezing(cfg)
    cfg.model.freeze_backbone = True
    with pytest.raises(ValueError, match=r"the backbone of GFL is ResNet.*such as frozen_stages"):
        settle_freezing(cfg)
