"""A detector small enough for tests."""

from pathlib import Path

from mmengine.config import Config

from tests.mmlab import small_training

_SMALL = {
    "model.backbone.window_size": 4,
    "model.data_preprocessor.pad_size_divisor": 64,
    "model.train_cfg.rpn_proposal.max_per_img": 16,
    "model.train_cfg.rcnn.sampler.num": 8,
    "model.test_cfg.rpn.max_per_img": 8,
}


def small_detector(data_root: Path, work_dir: Path, **options) -> Config:
    """configs/shapes/mirl_det_shapes.py with a small encoder; ``options`` override with ``__`` for a dot."""
    return small_training("shapes/mirl_det_shapes.py", _SMALL, data_root, work_dir, options)
