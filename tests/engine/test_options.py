import pytest

from mirl_mm.engine.launch import load_config
from tests.training import ROOT

CONFIG = ROOT / "configs/pretrain/mirl_vits_in1k.py"


@pytest.mark.parametrize(
    "key",
    [
        "train_dataloader.batch_size",
        "train_dataloader.prefetch_factor",  # torch's DataLoader has it
        "train_dataloader.num_batch_per_epoch",  # mmengine has it
        "model.backbone.drop_path_rate",  # DeepViT has it, the config does not
        "model.norm_target",  # MIRL passes it on to its base class
        "optim_wrapper.optimizer.amsgrad",
        "optim_wrapper.clip_grad.max_norm",
        "default_hooks.logger.log_metric_by_epoch",
        "train_dataloader.dataset.pipeline.0.exif",
        "randomness.deterministic",
        "cfg",  # a setting of the runner
        "env_cfg.dist_cfg.timeout",
    ],
)
def test_accepted(key):
    load_config(CONFIG, {key: 1})


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("train_dataloader.batchsize", "train_dataloader has no 'batchsize'; did you mean batch_size"),
        ("traindataloader.batch_size", "the config has no 'traindataloader'; did you mean train_dataloader"),
        ("model.backbone.drop_path", "model.backbone has no 'drop_path'; did you mean drop_path_rate"),
        ("model.mask_ration", r"model has no 'mask_ration'; did you mean mask_ratio\?$"),
        ("optim_wrapper.optimizer.learning_rate", "optim_wrapper.optimizer has no 'learning_rate'; nothing in it is"),
        ("model.bacbone.depth", r"model has no 'bacbone'; did you mean backbone or freeze_backbone\?$"),
        ("train_dataloader.collate_fn.how", "collate_fn has no 'how'; it has type, data_batch$"),
        ("default_hooks.loger.interval", "default_hooks has no 'loger'; did you mean logger"),
        ("randomness.sed", "randomness has no 'sed'; did you mean seed"),
        ("train_dataloader.dataset.pipeline.9.prob", "train_dataloader.dataset.pipeline has no '9'; it has 5 entries"),
    ],
)
def test_refused(key, message):
    with pytest.raises(ValueError, match=message):
        load_config(CONFIG, {key: 1})


def test_missing_config():
    with pytest.raises(FileNotFoundError, match=r"no config file 'configs/none.py'"):
        load_config("configs/none.py")
