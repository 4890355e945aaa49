"""A segmentor small enough for tests."""

from pathlib import Path

from mmengine.config import Config

from tests.mmlab import SIZE, small_training

_SMALL = {
    "model.data_preprocessor.size": SIZE,
    "model.backbone.out_indices": (3,),
    "model.neck.out_channels": 16,
    "model.decode_head.in_channels": [16] * 4,
    "model.decode_head.channels": 16,
    "model.auxiliary_head.in_channels": 16,
    "model.auxiliary_head.channels": 16,
}


def small_segmentor(data_root: Path, work_dir: Path, **options) -> Config:
    """configs/shapes/mirl_seg_shapes.py with a small encoder; ``options`` override with ``__`` for a dot."""
    return small_training("shapes/mirl_seg_shapes.py", _SMALL, data_root, work_dir, options)
