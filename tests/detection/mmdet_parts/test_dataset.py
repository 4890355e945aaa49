"""Our CocoDataset: seeded samples, labels in the order of the classes, messages."""

import json
import shutil

import numpy as np
import pytest
from mmdet.structures.mask import PolygonMasks

from mirl_mm.datasets import SeededIndex
from mirl_mm.engine.launch import load_config
from mirl_mm.registry import DATASETS
from mirl_mm.shapes import CLASSES
from tests.detection.small import small_detector
from tests.training import ROOT


def settings(shapes, tmp_path, **options) -> dict:
    cfg = small_detector(shapes, tmp_path).train_dataloader.dataset.to_dict()
    return {**cfg, "_scope_": "mmdet", **options}


def recipes_pipeline(config: dict) -> dict:
    steps = load_config(ROOT / "configs/det/mirl_vitb_coco.py").train_dataloader.dataset.pipeline
    return {**config, "pipeline": [config["pipeline"][0], steps[1].to_dict(), *config["pipeline"][2:]]}


def edit(shapes, tmp_path, change) -> str:
    """A copy of the training annotations after ``change``; its path."""
    content = json.loads((shapes / "annotations/instances_train2017.json").read_text())
    change(content)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_a_draw_decides_the_augmentation(shapes, tmp_path):
    dataset = DATASETS.build(settings(shapes, tmp_path))
    first, again, other = (dataset[SeededIndex(2, seed)]["inputs"].numpy() for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not (first.shape == other.shape and np.array_equal(first, other))
    assert dataset[2]["data_samples"].img_id == dataset[SeededIndex(2, 5)]["data_samples"].img_id


def test_labels_follow_the_classes(shapes, tmp_path):
    """mmdet alone would number them in the file's order."""
    turned = DATASETS.build(settings(shapes, tmp_path, metainfo={"classes": CLASSES[::-1]}))
    plain = DATASETS.build(settings(shapes, tmp_path))
    for i in range(len(plain)):
        names = [[o["bbox_label"] for o in dataset.get_data_info(i)["instances"]] for dataset in (plain, turned)]
        assert [CLASSES[label] for label in names[0]] == [CLASSES[::-1][label] for label in names[1]]


def test_classes_that_are_not_the_files(shapes, tmp_path):
    with pytest.raises(ValueError, match="has 8 categories") as caught:
        DATASETS.build(settings(shapes, tmp_path, metainfo={"classes": ("circle", "cat", "dog")}))
    assert "(circle, crescent, cross, heart, ring and 3 more)" in str(caught.value)
    assert "the config 3 classes (circle, cat, dog): the file lacks 2 of them (cat, dog)" in str(caught.value)


def test_some_of_the_files_categories_will_do_with_a_warning(shapes, tmp_path, capsys):
    dataset = DATASETS.build(settings(shapes, tmp_path, metainfo={"classes": CLASSES[:6]}))
    labels = {o["bbox_label"] for i in range(len(dataset)) for o in dataset.get_data_info(i)["instances"]}
    assert labels <= set(range(6))
    assert "of 2 categories not among the config's classes: star, triangle" in capsys.readouterr().out


def test_missing_images(shapes, tmp_path):
    with pytest.raises(FileNotFoundError, match="6 of 6 images looked for are not in"):
        DATASETS.build(settings(shapes, tmp_path, data_prefix={"img": "val2017/../annotations"}))


def test_paths_are_checked_at_once(shapes, tmp_path):
    preflight = DATASETS.get("mirl_mm.CocoDataset").preflight
    images, ann_file = {"img": "train2017"}, "annotations/instances_train2017.json"
    preflight(str(shapes), ann_file, images)
    with pytest.raises(FileNotFoundError, match=r"annotations/x.json' is missing; in .* there are instances_train2017"):
        preflight(str(shapes), "annotations/x.json", images)
    with pytest.raises(FileNotFoundError, match=r"image folder '.*/train' is missing; in .* annotations, train2017"):
        preflight(str(shapes), ann_file, {"img": "train"})
    with pytest.raises(FileNotFoundError, match="data_root 'nowhere' is no folder"):
        preflight("nowhere", ann_file, images)
    preflight("nowhere", str(shapes / ann_file), {"img": str(shapes / "train2017")})


def no_annotations(content):
    content["annotations"] = []


def flat_boxes(content):
    for annotation in content["annotations"]:
        annotation["bbox"][2] = 0


def no_masks(content):
    for annotation in content["annotations"]:
        del annotation["segmentation"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_annotations, "has 6 images and no annotation at all: nothing can be learnt"),
        (flat_boxes, "no annotation is left to train with.*less than a pixel wide"),
        (no_masks, r"annotations have no segmentation, .* \(the first: 1\)"),
        (lambda content: content.pop("images"), r"has no list 'images' \(found: \['annotations', 'categories'"),
    ],
)
def test_nothing_to_train_with(shapes, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        DATASETS.build(settings(shapes, tmp_path, ann_file=edit(shapes, tmp_path, change)))


def test_flat_boxes_are_counted_and_left_out(shapes, tmp_path, capsys):
    def change(content):
        content["annotations"][0]["bbox"][2] = 0

    dataset = DATASETS.build(settings(shapes, tmp_path, ann_file=edit(shapes, tmp_path, change)))
    number = sum(len(dataset.get_data_info(i)["instances"]) for i in range(len(dataset)))
    plain = DATASETS.build(settings(shapes, tmp_path))
    assert number == sum(len(plain.get_data_info(i)["instances"]) for i in range(len(plain))) - 1
    assert "1 of " in (text := capsys.readouterr().out) and "annotation 1 with bbox" in text


def test_a_test_set_may_lack_annotations(shapes, tmp_path, capsys):
    path = edit(shapes, tmp_path, no_annotations)
    assert len(DATASETS.build(settings(shapes, tmp_path, ann_file=path, test_mode=True))) == 6
    assert "every metric will be -1" in capsys.readouterr().out


def test_nothing_passes_the_filter(shapes, tmp_path):
    with pytest.raises(ValueError, match=r"none of the 6 images .* passes filter_cfg"):
        DATASETS.build(settings(shapes, tmp_path, filter_cfg={"min_size": 1000}))


def test_an_image_without_objects_is_background(shapes, tmp_path):
    """As in detectron2: a crop may leave no object."""
    copy = shutil.copytree(shapes, tmp_path / "copy")
    config = settings(copy, tmp_path)
    steps = load_config(ROOT / "configs/det/mirl_vitb_coco.py").train_dataloader.dataset.pipeline
    (filter_step,) = (step for step in steps if step.type == "FilterAnnotations")
    config["pipeline"].insert(-1, {**filter_step, "min_gt_bbox_wh": (1000, 1000)})
    dataset = DATASETS.build(config)
    assert len(dataset[0]["data_samples"].gt_instances) == 0


def test_run_lengths_of_another_size(shapes, tmp_path):
    def change(content):
        content["annotations"][0]["segmentation"]["size"] = [32, 128]

    path = edit(shapes, tmp_path, change)
    with pytest.raises(ValueError, match=r"annotation 1 has run lengths of \(32, 128\) .*, the image is \(64, 64\)"):
        DATASETS.build(recipes_pipeline(settings(shapes, tmp_path, ann_file=path)))


@pytest.mark.parametrize("test_mode", [False, True])
def test_a_mask_of_which_nothing_is_left(shapes, tmp_path, test_mode):
    """The same check for training and for a validation that loads masks."""

    def change(content):
        content["annotations"][0]["segmentation"] = [[5, 5]]

    path = edit(shapes, tmp_path, change)
    with pytest.raises(ValueError, match=r"have no segmentation, or no polygon of at least 3 points \(the first: 1\)"):
        DATASETS.build(settings(shapes, tmp_path, ann_file=path, test_mode=test_mode))


def test_odd_polygons_are_learnt_from(shapes, tmp_path, capsys):
    def change(content):
        content["annotations"][0]["segmentation"] = [[3, 3, 3, 5], [1, 1, 20, 1, 20, 20]]
        del content["annotations"][1]["iscrowd"]

    config = settings(shapes, tmp_path, ann_file=edit(shapes, tmp_path, change))
    for each in (config, recipes_pipeline(config)):
        dataset = DATASETS.build(each)
        assert len(dataset[0]["data_samples"].gt_instances) > 0
    assert "1 part of polygons left out, of fewer than 3 points" in capsys.readouterr().out


def test_masks_are_polygons(shapes, tmp_path):
    """Of Shapes' run lengths; what the model gets of them are the same pixels."""
    config = settings(shapes, tmp_path)
    bitmaps = DATASETS.build({**config, "pipeline": [config["pipeline"][i] for i in (0, 1, -1)]})
    polygons = recipes_pipeline(config)
    polygons = DATASETS.build({**polygons, "pipeline": [polygons["pipeline"][i] for i in (0, 1, -1)]})
    for theirs, ours in zip(bitmaps, polygons, strict=True):
        theirs, ours = (each["data_samples"].gt_instances.masks for each in (theirs, ours))
        assert isinstance(ours, PolygonMasks) and np.array_equal(theirs.to_ndarray(), ours.to_ndarray())
