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


@pytest.mark.parametrize(
    ("config", "key", "message"),
    [
        ("det/mirl_vitb_coco", "data_root", "What counts is test_dataloader.dataset.data_root, .*there is --data-root"),
        ("det/mirl_vitb_coco", "norm_cfg.type", r"What counts is model.roi_head.bbox_head.norm_cfg.type"),
        ("seg/mirl_vitb_ade20k", "scale", r"What counts is .*train_dataloader.dataset.pipeline.2.scale"),
        ("shapes/mirl_det_shapes", "train_pipeline.2.prob", "What counts is train_dataloader.dataset.pipeline.2.prob"),
        ("shapes/mirl_det_shapes", "norm_cfg.type", "What counts is model.*norm_cfg.type"),
        ("shapes/mirl_det_shapes", "classes", "What counts is .*metainfo.classes.*there is --classes"),
    ],
)
def test_variables_of_the_file_are_refused(config, key, message):
    with pytest.raises(ValueError, match=message):
        load_config(ROOT / f"configs/{config}.py", {key: 1})


def test_variables_of_ones_own(tmp_path):
    """What a hook may look for in the config stays; what was computed from is refused, as in a saved config."""
    base = tmp_path / "base.py"
    base.write_text("size = 64\nscale = (size, size)\ntrain_cfg = dict(type='EpochBasedTrainLoop', max_epochs=size)\n")
    (tmp_path / "own.py").write_text("_base_ = 'base.py'\nlr = 0.1\nmy_hooks_setting = 7\n")
    path = tmp_path / "own.py"
    assert load_config(path, {"my_hooks_setting": 8}).my_hooks_setting == 8
    assert load_config(path, {"lr": 8}).lr == 8
    with pytest.raises(ValueError, match="size is a variable that the config file alone has read"):
        load_config(path, {"size": 32})
    path.write_text("data_root = 'a/b'\ntrain_dataloader = dict(dataset=dict(data_root='a/b'))\n")
    with pytest.raises(ValueError, match=r"What counts is train_dataloader.dataset.data_root"):
        load_config(path, {"data_root": "c"})


def test_parts_of_a_preset():
    with pytest.raises(ValueError, match=r"arch is 'vit-s', which has no parts: set all of it, such as .*embed_dims"):
        load_config(CONFIG, {"model.backbone.arch.num_heads": 6})


def test_missing_config():
    with pytest.raises(FileNotFoundError, match=r"no config file 'configs/none.py'"):
        load_config("configs/none.py")
