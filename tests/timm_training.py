"""Trainings of detectors and segmentors on timm's models."""

from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config

from mirl_mm.engine.derive_from_backbone import fit_to_backbone
from tests.engine.test_timm_vit import backbone
from tests.mmlab import state, train

State = dict[str, torch.Tensor]


def whole_and_resumed(
    small: Callable[..., Config], kind: str, data: Path, folder: Path, **settings
) -> tuple[State, State, State]:
    """Weights in the middle and at the end of a training, and at the end of one that went on from the middle.

    Args:
        small: Makes the task's small config for data and a work dir.
        kind: Of timm's models.
        data: Folder of the images.
        folder: Of the runs.
        **settings: More of the backbone's.
    """

    def config(work_dir: Path, **options) -> Config:
        cfg = small(data, work_dir, **options)
        cfg.model.backbone = backbone(kind, map_stride=8, drop_path_rate=0.2, **settings) | {"type": "mirl_mm.TimmViT"}
        fit_to_backbone(cfg)  # the width is timm's; strides stay those that map_stride gives
        assert cfg.model.neck.in_channels == 48
        return cfg

    middle = folder / "whole/iter_2.pth"
    train(config(folder / "whole"))
    train(config(folder / "resumed", load_from=str(middle), resume=True))
    return state(middle), state(folder / "whole/iter_4.pth"), state(folder / "resumed/iter_4.pth")
