"""mirl_mm.pretrain and mirl_mm.train on generated data of every layout, with narrow models on small images."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from mmengine.config import Config

import mirl_mm
from mirl_mm.discovery import NothingFoundError
from mirl_mm.shapes import CLASSES
from mirl_mm.visualization.scalars import read_scalars
from tests.conftest import forget_runs
from tests.docs.small import shrink
from tests.layouts import write_flat_coco, write_pairs, write_roboflow, write_shapes, write_voc, write_yolo
from tests.training import run_here

FLOAT32 = {"optim_wrapper.type": "OptimWrapper"}  # many CPUs have no bfloat16
FEW_BOXES = FLOAT32 | {
    "model.train_cfg.rpn_proposal.max_per_img": 16,
    "model.train_cfg.rcnn.sampler.num": 8,
    "model.test_cfg.rpn.max_per_img": 8,
}
DET = pytest.mark.det
SEG = pytest.mark.seg
SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("api") / "shapes")


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    """Every config that is read is made small; results go to a folder of the test."""
    read = Config.fromfile
    monkeypatch.setattr(Config, "fromfile", staticmethod(lambda *given, **more: shrink(read(*given, **more))))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def pretrained(shapes, tmp_path_factory):
    """An encoder that saw all images of one folder, once."""
    with pytest.MonkeyPatch.context() as patch:
        read = Config.fromfile
        patch.setattr(Config, "fromfile", staticmethod(lambda *given, **more: shrink(read(*given, **more))))
        folder = tmp_path_factory.mktemp("pretrained")
        photos = str(shapes / "coco/train2017")
        return mirl_mm.pretrain(photos, arch="vit-s", epochs=1, work_dir=folder, overrides=FLOAT32)


def test_pretraining_without_splits(pretrained, shapes):
    assert pretrained.checkpoint.name == "epoch_1.pth"
    assert pretrained.metrics.keys() == {"loss", "pair_1_6", "pair_2_5", "pair_3_4"}
    assert isinstance(pretrained.plot(), Figure)
    picture = pretrained.predict(str(shapes / "coco/val2017/*.jpg"), rows=8)["visualization"]
    assert len(picture) == 1
    assert "epoch_1.pth" in repr(pretrained) and "loss: " in repr(pretrained)


def test_class_folders(pretrained, shapes, capsys):
    run = mirl_mm.train("cls/mirl_vits_in1k", shapes / "folder", pretrained=pretrained, epochs=2, overrides=FLOAT32)
    assert run.work_dir == Path("work_dirs/cls/mirl_vits_in1k")
    assert run.checkpoint.name.startswith("best_ema_accuracy_top1_epoch_")
    assert 0 <= run.metrics["ema/accuracy/top1"] <= 100 and "time" not in run.metrics
    result = run.predict(str(shapes / "folder/val/*/*.jpg"))["predictions"]
    assert len(result) == 8 and {item["name"] for item in result} <= set(CLASSES)
    assert run.plot()._repr_png_().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "model.head.num_classes = 8" in said
    assert "  data     16 images of " in said and "8 classes, with validation" in said
    assert f"backbone of {pretrained.checkpoint}" in said
    assert "System environment" not in said and "System environment" in next(run.work_dir.glob("*/*.log")).read_text()
    again = mirl_mm.Run(run.work_dir)
    assert again.metrics == run.metrics and again.checkpoint == run.checkpoint


def test_the_saved_config_gives_the_same_run(shapes, monkeypatch):
    """Also of a share that was held out; and a run goes on where it was."""
    settings = {"epochs": 2, "batch_size": 4, "seed": 3, "overrides": FLOAT32 | {"default_hooks.logger.interval": 1}}
    run = mirl_mm.train("cls/mirl_vits_in1k.py", shapes / "folder/train", **settings)
    assert read_scalars(run.work_dir).val
    forget_runs()
    here, config = Path.cwd(), run.config.resolve()
    monkeypatch.undo()  # the saved config is small already
    monkeypatch.chdir(here)
    run_here(monkeypatch, "tools/train.py", config, "--work-dir", "again")
    mine, theirs = read_scalars(run.work_dir), read_scalars("again")
    assert len(mine.train["loss"]) == 4
    assert (mine.train["loss"], mine.val) == (
        theirs.train["loss"],
        theirs.val | {k: mine.val[k] for k in ("time", "data_time")},
    )


def test_resuming(shapes):
    settings = {"work_dir": "run", "batch_size": 8, "overrides": FLOAT32}
    run = mirl_mm.train("cls/mirl_vits_in1k", shapes / "folder", epochs=1, **settings)
    again = mirl_mm.train("cls/mirl_vits_in1k", shapes / "folder", epochs=2, resume=True, **settings)
    last = torch.load("run/epoch_2.pth", weights_only=False)["meta"]
    assert (last["epoch"], last["iter"]) == (2, 4)
    assert again.work_dir == run.work_dir and max(again._validated()) == 2


@pytest.mark.parametrize(
    ("config", "write", "masks"),
    [
        pytest.param("det/mirl_vitb_coco", lambda shapes, folder: shapes / "coco", True, id="coco", marks=[DET, SLOW]),
        pytest.param("det/mirl_vitb_coco", write_yolo, False, id="yolo", marks=DET),
        pytest.param("det/mirl_vitb_coco", write_voc, False, id="voc", marks=[DET, SLOW]),
        pytest.param("det/mirl_vitb_coco", write_roboflow, True, id="roboflow", marks=[DET, SLOW]),
        pytest.param("det/mirl_vitb_coco", write_flat_coco, True, id="one-file", marks=[DET, SLOW]),
        pytest.param("det/mirl_vitb_cascade_coco", write_voc, False, id="cascade", marks=[DET, SLOW]),
        pytest.param("det/mirl_vitb_gfl_coco", write_yolo, False, id="gfl", marks=[DET, SLOW]),
    ],
)
def test_objects(config: str, write: Callable, masks: bool, shapes, tmp_path):
    pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
    small = FEW_BOXES if config == "det/mirl_vitb_coco" else FLOAT32
    if "gfl" in config:
        small = small | {"model.bbox_head.norm_cfg": {"type": "GN", "num_groups": 4}}  # of 16 channels
    run = mirl_mm.train(config, write(shapes, tmp_path / "data"), iters=2, overrides=small)
    assert ("coco/segm_mAP" in run.metrics) is masks
    assert run.checkpoint.name.startswith("best_coco_bbox_mAP_iter_")
    (item, *_) = run.predict(str(shapes / "coco/val2017"), score_thr=0.0)["predictions"]
    assert set(item["names"]) <= set(CLASSES)
    assert ("masks" in item) is masks
    saved = Config.fromfile(run.config)
    assert json.loads(json.dumps(saved.train_dataloader.dataset.metainfo.classes)) == list(CLASSES)
    run.plot()


@pytest.mark.parametrize(
    ("write", "number"),
    [
        pytest.param(lambda shapes, folder: shapes / "ade", 9, id="ade", marks=SEG),
        pytest.param(write_pairs, 9, id="pairs", marks=[SEG, SLOW]),
        pytest.param(lambda *a: write_pairs(*a, binary=True), 2, id="binary", marks=[SEG, SLOW]),
    ],
)
def test_masks(write: Callable, number: int, shapes, tmp_path):
    pytest.importorskip("mirl_mm.segmentation.mmseg_parts", exc_type=ImportError)
    run = mirl_mm.train("seg/mirl_vitb_ade20k", write(shapes, tmp_path / "data"), iters=2, overrides=FLOAT32)
    assert run.checkpoint.name.startswith("best_mIoU_iter_")
    assert Config.fromfile(run.config).model.decode_head.num_classes == number
    assert run.predict(str(shapes / "coco/val2017"))["predictions"][0]["mask"].max() < number
    run.plot()


@pytest.mark.parametrize("config", ["cls/mirl_vits_in1k", pytest.param("det/mirl_vitb_coco", marks=DET)])
def test_a_folder_of_none_of_these(config, tmp_path):
    if config.startswith("det"):
        pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/notes.txt").write_text("")
    with pytest.raises(NothingFoundError, match=r"data' has no [\s\S]*Looked for:[\s\S]*It holds notes.txt"):
        mirl_mm.train(config, tmp_path / "data", epochs=1)
    assert not (tmp_path / "work_dirs").exists()


def test_names_that_are_none(shapes):
    with pytest.raises(FileNotFoundError, match=r"no config 'cls/mirl_vitz_in1k': did you mean cls/mirl_vits_in1k or"):
        mirl_mm.train("cls/mirl_vitz_in1k", "photos")
    with pytest.raises(ValueError, match=r"no recipe pre-trains 'vit-x': choose one of tiny-24, vit-s,"):
        mirl_mm.pretrain("photos", arch="vit-x")
    with pytest.raises(FileNotFoundError, match=r"data_root 'photos' is no folder"):
        mirl_mm.pretrain("photos", epochs=1)
    with pytest.raises(ValueError, match=r"^epochs 0: a training has at least 1"):
        mirl_mm.pretrain(shapes / "folder", epochs=0)
    with pytest.raises(FileNotFoundError, match=r"'photos' is no folder of a training"):
        mirl_mm.Run("photos")


def test_the_name_of_every_encoder_is_its_recipe_s():
    from mirl_mm.apis.training import RECIPES
    from mirl_mm.engine.launch import load_config

    for arch, name in RECIPES.items():
        cfg = load_config(f"mirl_mm::{name}.py")
        assert cfg.model.type == "MIRL" and (arch == "tiny-24" or arch.replace("-", "") in name), arch
