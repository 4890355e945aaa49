"""A segmentor small enough for tests, built from the real configs."""

from pathlib import Path

from mmengine.config import Config

from mirl_mm.engine.launch import load_config, set_data_root
from tests.training import ROOT

_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
#: configs/shapes/mirl_seg_shapes.py with four blocks and images of 64 x 64: 4 steps of 2 images.
SMALL = {
    "model.data_preprocessor.size": (64, 64),
    "model.backbone.arch": {"depth": 4, "embed_dims": 16, "num_heads": 2},
    "model.backbone.img_size": (64, 64),
    "model.backbone.out_indices": (3,),
    "model.neck.in_channels": 16,
    "model.neck.out_channels": 16,
    "model.decode_head.in_channels": [16] * 4,
    "model.decode_head.channels": 16,
    "model.auxiliary_head.in_channels": 16,
    "model.auxiliary_head.channels": 16,
    "train_dataloader.batch_size": 2,
    "val_dataloader.batch_size": 2,
    "test_dataloader.batch_size": 2,
    **{f"{name}.num_workers": 0 for name in _LOADERS},
    "train_cfg.max_iters": 4,
    "train_cfg.val_interval": 4,
    "param_scheduler": [{"type": "LinearLR", "start_factor": 0.5, "by_epoch": False, "begin": 0, "end": 3}],
    "default_hooks.checkpoint.interval": 2,
    "default_hooks.logger.interval": 1,
}


def small_segmentor(data_root: Path, work_dir: Path, **options) -> Config:
    """The small training; ``options`` override with ``__`` for a dot."""
    settings = SMALL | {key.replace("__", "."): value for key, value in options.items()}
    cfg = load_config(ROOT / "configs/shapes/mirl_seg_shapes.py", settings)
    for loader in _LOADERS:
        for step in cfg[loader].dataset.pipeline:
            step.update({key: (64, 64) for key in ("scale", "crop_size") if key in step})
    for i, resize in enumerate(cfg.tta_pipeline[1].transforms[0]):
        resize.scale = (48 + 16 * i,) * 2
    set_data_root(cfg, str(data_root))
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = work_dir.name
    cfg.launcher = "none"
    return cfg
