"""COCO's evaluator through our config, against the numbers published with its API."""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mirl_mm.registry import DATASETS, METRICS
from tests.training import ROOT

ARCHIVE = ROOT.parent / "shared/data/coco_eval_reference.tar"


def published(text: str, kind: str) -> list[float]:
    """The twelve numbers of a kind, in COCO's order."""
    (part,) = re.findall(rf"type={kind}\n(.*?)\n\n", text, re.DOTALL)
    return [float(number) for number in re.findall(r"\] = ([\d.]+)", part)]


def metric_of_config(kind: str, ann_file: Path, classes) -> object:
    cfg = Config.fromfile(ROOT / "configs/det/mirl_vitb_coco.py").test_evaluator
    metric = METRICS.build({**cfg, "metric": [kind], "ann_file": str(ann_file)})
    metric.dataset_meta = {"classes": classes}
    return metric


def samples(results: list[dict], images: list[dict], labels: dict[int, int], masks: bool) -> list[dict]:
    """What the model's predictions look like."""
    by_image = defaultdict(list)
    for result in results:
        by_image[result["image_id"]].append(result)
    out = []
    for image in images:
        own = by_image[image["id"]]
        boxes = torch.tensor([r.get("bbox", [0, 0, 1, 1]) for r in own], dtype=torch.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        pred = {
            "bboxes": boxes,
            "scores": torch.tensor([r["score"] for r in own], dtype=torch.float64),
            "labels": torch.tensor([labels[r["category_id"]] for r in own], dtype=torch.long),
        }
        if masks:
            pred["masks"] = [r["segmentation"] for r in own]
        size = (image["height"], image["width"])
        out.append({"img_id": image["id"], "ori_shape": size, "pred_instances": pred})
    return out


@pytest.mark.skipif(not ARCHIVE.exists(), reason="needs ../shared/data/coco_eval_reference.tar")
@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_published_numbers(kind, tmp_path):
    import tarfile

    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "coco_eval_reference"
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    results = json.loads((folder / f"instances_val2014_fake{kind}100_results.json").read_text())
    classes = DATASETS.get("mirl_mm.CocoDataset").METAINFO["classes"]
    ids = {category["name"]: category["id"] for category in truth["categories"]}
    labels = {ids[name]: label for label, name in enumerate(classes)}
    metric = metric_of_config(kind, folder / "instances_val2014_100.json", classes)
    metric.process({}, samples(results, truth["images"], labels, masks=kind == "segm"))
    found = metric.evaluate(len(truth["images"]))
    names = ["mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l"]
    names += ["AR@1", "AR@10", "AR@100", "AR_s@100", "AR_m@100", "AR_l@100"]
    expected = published((folder / "val2014_fake_eval_res.txt").read_text(), kind)
    assert [found[f"coco/{kind}_{name}"] for name in names] == expected
    assert len(found) == len(expected) == 12


TWO = {
    "images": [{"id": 7, "file_name": "a.jpg", "height": 50, "width": 50}],
    "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 20, 20], "area": 400, "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 9, "bbox": [20, 20, 20, 20], "area": 400, "iscrowd": 0},
    ],
}


@pytest.mark.parametrize("classes", [("cat", "dog"), ("dog", "cat"), ("dog",)])
def test_labels_follow_the_classes_in_any_order(classes, tmp_path):
    (tmp_path / "two.json").write_text(json.dumps(TWO))
    metric = metric_of_config("bbox", tmp_path / "two.json", classes)
    labels = {c["id"]: classes.index(c["name"]) for c in TWO["categories"] if c["name"] in classes}
    results = [{**a, "score": 0.9} for a in TWO["annotations"] if a["category_id"] in labels]
    metric.process({}, samples(results, TWO["images"], labels, masks=False))
    assert metric.evaluate(1)["coco/bbox_mAP"] == 1


def test_no_detection_at_all_is_zero(tmp_path):
    (tmp_path / "two.json").write_text(json.dumps(TWO))
    metric = metric_of_config("bbox", tmp_path / "two.json", ("cat", "dog"))
    metric.process({}, samples([], TWO["images"], {}, masks=False))
    found = metric.evaluate(1)
    assert len(found) == 12 and set(found.values()) == {0.0}


def own(tmp_path, change) -> Path:
    """A file of one cat, found exactly by one detection, after ``change``."""
    content = {**TWO, "categories": [{"id": 3, "name": "cat"}], "annotations": [dict(TWO["annotations"][0])]}
    change(content["annotations"][0])
    (tmp_path / "one.json").write_text(json.dumps(content))
    return tmp_path / "one.json"


def evaluated(ann_file) -> dict:
    metric = metric_of_config("bbox", ann_file, ("cat",))
    found = [{"image_id": 7, "category_id": 3, "bbox": [0, 0, 20, 20], "score": 0.9}]
    metric.process({}, samples(found, TWO["images"], {3: 0}, masks=False))
    return metric.evaluate(1)


@pytest.mark.parametrize(
    "change",
    [
        lambda annotation: annotation.update(id=0),
        lambda annotation: annotation.update(id="a"),
        lambda annotation: annotation.pop("iscrowd"),
        lambda annotation: annotation.update(iscrowd=None),
        lambda annotation: annotation.update(segmentation=[[5, 5]]),  # of which a box has no need
    ],
)
def test_files_as_they_come(change, tmp_path):
    """With ``"id": 0`` pycocotools alone says 0, without ``iscrowd`` it fails."""
    assert evaluated(own(tmp_path, change))["coco/bbox_mAP"] == 1


@pytest.mark.parametrize("mask", [[], [[5, 5]], [[]], [[1, 1, 9, 9]], None])
def test_masks_that_are_missing_are_named_before_the_first_step(mask, tmp_path):
    path = own(tmp_path, lambda annotation: annotation.update(segmentation=mask))
    with pytest.raises(ValueError, match=r"1 of 1 annotations have no segmentation, .*first: 1\), and masks are eval"):
        metric_of_config("segm", path, ("cat",))


@pytest.mark.parametrize("mask", [[0, 0, 20, 0, 20, 20, 0, 20], [[30, 30, 30, 35], [0, 0, 20, 0, 20, 20, 0, 20]]])
def test_odd_polygons_are_evaluated(mask, tmp_path):
    coco = pytest.importorskip("pycocotools.mask")
    path = own(tmp_path, lambda annotation: annotation.update(segmentation=mask))
    metric = metric_of_config("segm", path, ("cat",))
    square = coco.frPyObjects([[0, 0, 20, 0, 20, 20, 0, 20]], 50, 50)[0]
    found = [{"image_id": 7, "category_id": 3, "bbox": [0, 0, 20, 20], "score": 0.9, "segmentation": square}]
    metric.process({}, samples(found, TWO["images"], {3: 0}, masks=True))
    assert metric.evaluate(1)["coco/segm_mAP"] == 1
