"""What a config takes from its data sets."""

import pytest
from mmengine.config import Config

from mirl_mm.engine.derive_from_datasets import dataset_classes, fit_to_datasets, set_classes
from mirl_mm.engine.launch import set_data_root


def config(train=("ant", "bee"), val=("ant", "bee")) -> Config:
    def dataset(classes, ann_file):
        return {"data_root": "data", "ann_file": ann_file, **({"metainfo": {"classes": classes}} if classes else {})}

    return Config(
        {
            "model": {
                "rpn_head": {"num_classes": 1},
                "roi_head": {"bbox_head": [{"num_classes": 80}, {"num_classes": 80}], "mask_head": {"num_classes": 80}},
            },
            "train_dataloader": {"dataset": {"type": "RepeatDataset", "dataset": dataset(train, "train.json")}},
            "val_dataloader": {"dataset": dataset(val, "val.json")},
            "val_evaluator": {"type": "mirl_mm.CocoMetric"},
            "test_dataloader": None,
        }
    )


def test_heads_get_the_number_of_classes():
    cfg = config()
    fit_to_datasets(cfg)
    assert [head.num_classes for head in cfg.model.roi_head.bbox_head] == [2, 2]
    assert cfg.model.roi_head.mask_head.num_classes == 2
    assert cfg.model.rpn_head.num_classes == 1


@pytest.mark.parametrize("several", [False, True])
def test_a_segmentors_loss_weights_must_be_as_many(several):
    def head(*weights) -> dict:
        loss = {"type": "CrossEntropyLoss", "class_weight": list(weights) or None}
        return {"num_classes": 3, "loss_decode": [loss] if several else loss}

    cfg = config()
    cfg.model = {"decode_head": head(0.5, 1.0), "auxiliary_head": head()}
    fit_to_datasets(cfg)
    cfg.model.decode_head = head(0.5, 1.0, 1.0)
    place = r"model.decode_head.loss_decode(\[0\])?.class_weight"
    with pytest.raises(ValueError, match=f"^{place} has 3 values, the data 2 classes: give one for each"):
        fit_to_datasets(cfg)


def test_without_names_nothing_changes():
    cfg = config(None, None)
    fit_to_datasets(cfg)
    assert dataset_classes(cfg) is None
    assert cfg.model.roi_head.mask_head.num_classes == 80


@pytest.mark.parametrize("old", [("ant", "bee"), None])
def test_other_classes_by_an_option(old, tmp_path):
    cfg = config(old, old)
    cfg.val_dataloader.dataset.metainfo = {"classes": old, "palette": [(0, 0, 0), (9, 9, 9)], "note": "kept"}
    set_classes(cfg, ["ant", "fly", "bee"])
    fit_to_datasets(cfg)
    assert dataset_classes(cfg) == ("ant", "fly", "bee")
    assert cfg.val_dataloader.dataset.metainfo == {"classes": ("ant", "fly", "bee"), "note": "kept"}
    assert cfg.model.roi_head.mask_head.num_classes == 3

    (tmp_path / "classes.txt").write_text("moth\nbee\nfly\nant\n")
    set_data_root(cfg, str(tmp_path))
    set_classes(cfg, ["classes.txt"])
    fit_to_datasets(cfg)
    assert cfg.train_dataloader.dataset.dataset.metainfo.classes == ("moth", "bee", "fly", "ant")
    assert cfg.model.roi_head.mask_head.num_classes == 4


def test_classes_of_image_folders_are_their_own():
    folder = {"type": "mirl_mm.ImageFolder", "data_root": "data", "labelled": True}
    cfg = Config({"model": {"head": {"num_classes": 1000}}, "train_dataloader": {"dataset": folder}})
    set_classes(cfg, ["ant", "bee"])
    fit_to_datasets(cfg)
    assert cfg.train_dataloader.dataset == {**folder, "classes": ("ant", "bee")}
    assert cfg.model.head.num_classes == 2
    set_classes(cfg, ["ant"])
    fit_to_datasets(cfg)
    assert cfg.train_dataloader.dataset.classes == ("ant",) and cfg.model.head.num_classes == 1
    cfg.train_dataloader.dataset.labelled = False
    with pytest.raises(ValueError, match="--classes: the data set of train_dataloader has no labels"):
        set_classes(cfg, ["ant", "bee"])


def test_data_sets_must_agree():
    with pytest.raises(ValueError, match="val_dataloader has the classes bee, ant, train_dataloader has ant, bee"):
        fit_to_datasets(config(val=("bee", "ant")))


def test_classes_from_a_file(tmp_path):
    (tmp_path / "classes.txt").write_text("ant\nbee\ncat\n")
    cfg = config(*[str(tmp_path / "classes.txt")] * 2)
    assert dataset_classes(cfg) == ("ant", "bee", "cat")
    with pytest.raises(ValueError, match=r"a single class is classes=\('ant',\) with a comma"):
        dataset_classes(config("ant", "ant"))


def test_metric_reads_the_data_sets_file_wherever_it_is():
    cfg = config()
    fit_to_datasets(cfg)
    assert cfg.val_evaluator.ann_file == "data/val.json"
    set_data_root(cfg, "other")
    fit_to_datasets(cfg)
    assert cfg.val_evaluator.ann_file == "other/val.json"


def test_another_folder_reaches_wrapped_data_sets():
    cfg = config()
    dataset = dict(cfg.val_dataloader.dataset)
    cfg.test_dataloader = {
        "dataset": {"type": "ConcatDataset", "datasets": [dataset, dict(dataset, ann_file="b.json")]}
    }
    cfg.test_evaluator = {"type": "CocoMetric", "ann_file": "data/val.json"}
    set_data_root(cfg, "other")
    assert cfg.train_dataloader.dataset.dataset.data_root == "other"
    assert "data_root" not in cfg.train_dataloader.dataset
    assert [inner.data_root for inner in cfg.test_dataloader.dataset.datasets] == ["other", "other"]
    assert "data_root" not in cfg.test_dataloader.dataset
    fit_to_datasets(cfg)
    assert cfg.test_evaluator.ann_file == "other/val.json"


def test_one_folder_in_place_of_several_is_refused():
    cfg = config()
    inner = cfg.train_dataloader.dataset.dataset
    cfg.train_dataloader.dataset = {"type": "ConcatDataset", "datasets": [inner, dict(inner, data_root="more")]}
    with pytest.raises(
        ValueError, match=r"--data-root x: the data sets of train_dataloader are in 2 folders \('data', 'more'"
    ):
        set_data_root(cfg, "x")


def test_a_metrics_own_file_stays():
    cfg = config()
    cfg.val_evaluator.ann_file = "/elsewhere/val.json"
    set_data_root(cfg, "other")
    fit_to_datasets(cfg)
    assert cfg.val_evaluator.ann_file == "/elsewhere/val.json"
