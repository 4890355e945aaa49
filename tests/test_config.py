"""Configs by name, as bases and as arguments."""

import pytest
from mmengine.config import Config

from mirl_mm.config import FOLDER, config_path, read_config
from mirl_mm.engine.cli import default_work_dir
from mirl_mm.engine.launch import load_config
from tests.training import ROOT


def inherit(folder, base: str, text: str = "") -> str:
    path = folder / "mine.py"
    path.write_text(f'_base_ = "mirl_mm::{base}"\n{text}')
    return str(path)


@pytest.mark.parametrize("name", ["pretrain/mirl_tiny24_64px.py", "cls/mirl_vitb48_in1k.py"])
def test_an_inherited_config_is_the_one_in_the_package(tmp_path, name):
    ours = Config.fromfile(ROOT / "configs" / name)
    assert read_config(inherit(tmp_path, name)).to_dict() == ours.to_dict()
    assert read_config(f"mirl_mm::{name}").to_dict() == ours.to_dict()


@pytest.mark.parametrize(
    ("name", "package"),
    [
        pytest.param("det/mirl_vitb_coco.py", "mirl_mm.detection.mmdet_parts", marks=pytest.mark.det),
        pytest.param("seg/mirl_vitb_ade20k.py", "mirl_mm.segmentation.mmseg_parts", marks=pytest.mark.seg),
    ],
)
def test_parts_of_mmdet_and_mmseg_stay_theirs(tmp_path, name, package):
    pytest.importorskip(package, exc_type=ImportError)
    cfg = read_config(inherit(tmp_path, name, "model = dict(backbone=dict(drop_path_rate=0.2))"))
    ours = Config.fromfile(ROOT / "configs" / name)
    ours.model.backbone.drop_path_rate = 0.2
    assert cfg.to_dict() == ours.to_dict()


def test_a_scope_that_was_written_down_stays(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text('model = dict(type="DeepViT", _scope_="mirl_mm")')
    assert read_config(path).model == {"type": "DeepViT", "_scope_": "mirl_mm"}


def test_overrides_and_values_of_the_base(tmp_path):
    text = "train_cfg = dict(max_epochs=_base_.train_cfg.max_epochs // 2)"
    cfg = load_config(inherit(tmp_path, "cls/mirl_vits_in1k.py", text), {"train_dataloader.batch_size": 3})
    assert (cfg.train_cfg.max_epochs, cfg.train_dataloader.batch_size) == (50, 3)


def test_a_name_has_the_work_dir_of_its_path():
    name = "cls/mirl_vits_in1k.py"
    assert default_work_dir(f"mirl_mm::{name}") == default_work_dir(ROOT / "configs" / name)


def test_every_config_of_the_checkout_has_a_name():
    assert FOLDER.resolve() == ROOT / "configs"
    assert config_path("mirl_mm::det/custom_coco.py").read_text() == (ROOT / "configs/det/custom_coco.py").read_text()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("mirl_mm::pretrain/mirl_vitb84_in1k.py", "the nearest are mirl_mm::pretrain/mirl_vitb48_in1k.py, "),
        ("configs/none.py", "give a path, or a name such as mirl_mm::pretrain/mirl_vitb48_in1k.py"),
    ],
)
def test_missing_files_are_named(name, remedy):
    with pytest.raises(FileNotFoundError, match=f"no config file '{name}': {remedy}"):
        load_config(name)


def test_what_an_import_lacks_is_the_error(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text('custom_imports = dict(imports=["mirl_mm.nowhere"])')
    with pytest.raises(ImportError, match=r"No module named 'mirl_mm\.nowhere'"):
        read_config(path)
