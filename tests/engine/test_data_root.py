"""Another folder for a config: its own layout first, what is found else; whose classes count."""

import json
import shutil

import pytest

from mirl_mm.engine.data_root import limit_batch, use_folder
from mirl_mm.engine.derive_from_datasets import dataset_classes, fit_to_datasets
from mirl_mm.engine.launch import load_config
from mirl_mm.shapes import CLASSES
from tests.layouts import write_flat_coco, write_shapes, write_yolo
from tests.training import ROOT, write_class_folders

CLS = ROOT / "configs/cls/mirl_tiny24_64px.py"
DET = ROOT / "configs/det/mirl_vitb_coco.py"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return write_shapes(tmp_path_factory.mktemp("data_folder") / "shapes")


def test_class_folders_as_the_config_has_them(tmp_path):
    root = write_class_folders(tmp_path / "data", classes=("ant", "bee", "fly"))
    cfg = load_config(CLS)
    use_folder(cfg, str(root), tmp_path / "out")
    fit_to_datasets(cfg)
    assert (cfg.val_dataloader.dataset.data_root, cfg.val_dataloader.dataset.split) == (str(root), "val")
    assert cfg.model.head.num_classes == 3
    assert not (tmp_path / "out").exists()


def test_as_many_classes_as_the_head_has_are_not_written_down(tmp_path):
    root = write_class_folders(tmp_path / "data", 40, 20, classes=[f"class{i:02d}" for i in range(20)])
    cfg = load_config(CLS)
    use_folder(cfg, str(root), tmp_path / "out")
    assert dataset_classes(cfg) is None


def test_a_test_needs_no_training_data(tmp_path):
    root = write_class_folders(tmp_path / "data")
    shutil.rmtree(root / "train")
    cfg = load_config(CLS)
    use_folder(cfg, str(root), tmp_path / "out", ["test_dataloader"])
    assert cfg.test_dataloader.dataset.split == "val"
    assert dataset_classes(cfg) == ("cat", "dog")


def test_no_share_no_validation(tmp_path):
    root = write_class_folders(tmp_path / "data") / "train"
    cfg = load_config(CLS)
    use_folder(cfg, str(root), tmp_path / "out", val_share=0.0)
    assert cfg.val_dataloader is None and cfg.val_evaluator is None


def test_a_folder_that_is_none_is_left_to_the_check_before_a_run(tmp_path):
    cfg = load_config(CLS)
    use_folder(cfg, str(tmp_path / "none"), tmp_path / "out")
    assert cfg.train_dataloader.dataset.data_root == str(tmp_path / "none")


def test_a_batch_of_no_more_than_there_are_and_even(tmp_path, capsys):
    cfg = load_config(CLS)
    use_folder(cfg, str(write_class_folders(tmp_path / "data", train=21)), tmp_path / "out")
    limit_batch(cfg)
    assert cfg.train_dataloader.batch_size == 20
    assert "batch_size = 20 (was 64), as there are 21 images" in capsys.readouterr().out


@pytest.mark.det
class TestDetection:
    @pytest.fixture(autouse=True)
    def _needs_mmdet(self):
        pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)

    def test_coco_s_own_layout_and_classes_change_nothing_else(self, shapes, tmp_path):
        from mmdet.datasets import CocoDataset

        root = tmp_path / "coco"
        shutil.copytree(shapes / "coco", root)
        path = root / "annotations/instances_val2017.json"
        content = json.loads(path.read_text())
        content["categories"] = [{"id": i, "name": name} for i, name in enumerate(CocoDataset.METAINFO["classes"], 1)]
        path.write_text(json.dumps(content))
        cfg, before = load_config(DET), load_config(DET)
        use_folder(cfg, str(root), tmp_path / "out")
        for name in ("train_dataloader", "val_dataloader", "test_dataloader"):
            assert cfg[name].dataset.pop("data_root") == str(root)
            before[name].dataset.pop("data_root")
        assert cfg.to_dict() == before.to_dict()

    def test_classes_that_the_config_names_stay_if_the_data_has_them(self, shapes, tmp_path):
        folder = write_flat_coco(shapes, tmp_path / "data")
        some = {
            f"{name}_dataloader.dataset.metainfo": {"classes": ("ring", "heart")} for name in ("train", "val", "test")
        }
        cfg = load_config(DET, some)
        use_folder(cfg, str(folder), tmp_path / "out")
        assert dataset_classes(cfg) == ("ring", "heart")
        cfg = load_config(DET)
        use_folder(cfg, str(folder), tmp_path / "out", classes=("star",))
        assert dataset_classes(cfg) == ("star",)
        cfg = load_config(DET)
        use_folder(cfg, str(folder), tmp_path / "out")
        assert dataset_classes(cfg) == CLASSES

    def test_boxes_only_leave_the_masks_out_everywhere(self, shapes, tmp_path):
        cfg = load_config(DET)
        use_folder(cfg, str(write_yolo(shapes, tmp_path / "data")), tmp_path / "out")
        assert "mask_head" not in cfg.model.roi_head and "mask_roi_extractor" not in cfg.model.roi_head
        assert cfg.val_evaluator.metric == cfg.test_evaluator.metric == ["bbox"]
        assert "with_mask': True" not in str(cfg.to_dict())
