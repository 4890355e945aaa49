"""From a detector's checkpoint to boxes, masks and pictures."""

import json

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from PIL import Image

import mirl_mm
from mirl_mm.detection.predictions import CocoIds, coco_results, decode_masks
from mirl_mm.engine.launch import build_runner
from mirl_mm.errors import CorruptImageError
from mirl_mm.outputs import OutputError
from mirl_mm.shapes import CLASSES, generate
from tests.conftest import forget_runs
from tests.detection.small import small_detector
from tests.training import run_here

pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
COCO = pytest.importorskip("pycocotools.coco").COCO

pytestmark = pytest.mark.det

TTA = {
    "tta_model": {
        "type": "mirl_mm.DetTTAModel",
        "tta_cfg": {"nms": {"type": "nms", "iou_threshold": 0.5}, "max_per_img": 20},
    },
    "tta_pipeline": [
        {"type": "LoadImageFromFile"},
        {
            "type": "TestTimeAug",
            "transforms": [
                [{"type": "Resize", "scale": (64, 64), "keep_ratio": True, "backend": "pillow"}],
                [{"type": "RandomFlip", "prob": 0.0}, {"type": "RandomFlip", "prob": 1.0}],
                [{"type": "LoadAnnotations", "with_bbox": True}],
                [
                    {
                        "type": "PackDetInputs",
                        "meta_keys": ("img_path", "ori_shape", "img_shape", "scale_factor", "flip", "flip_direction"),
                    }
                ],
            ],
        },
    ],
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Generated images of (48, 80) and a few steps of a small Mask R-CNN: ``run/iter_4.pth``."""
    folder = tmp_path_factory.mktemp("detect")
    data = generate(folder / "data", num_train=6, num_val=3, size=(48, 80), layouts=("coco",), workers=1)
    cfg = small_detector(data / "coco", folder / "run", model__test_cfg__rcnn__score_thr=0.0)
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.merge_from_dict(TTA)
    forget_runs()
    build_runner(cfg, ["train_dataloader"]).train()
    return folder


@pytest.fixture(scope="module")
def infer(trained):
    return mirl_mm.DetectInferencer(trained / "run/iter_4.pth", device="cpu")


def images_of(trained):
    return sorted((trained / "data/coco/val2017").iterdir())


def test_predictions_are_the_models_in_the_images_own_pixels(infer, trained):
    path = images_of(trained)[0]
    (found,) = infer(path, score_thr=0.0)["predictions"]
    batch = infer.collate_fn([infer.pipeline(str(path))])
    with torch.no_grad():
        expected = infer.model.test_step(batch)[0].pred_instances
    assert found["img_path"] == str(path)
    assert len(found["boxes"]) == len(expected) > 0
    order = expected.scores.argsort(descending=True, stable=True)
    assert np.array_equal(found["boxes"], expected.bboxes[order].numpy())
    assert np.array_equal(found["scores"], expected.scores[order].numpy())
    assert np.array_equal(found["masks"], np.asarray(expected.masks)[order])
    assert found["names"] == [CLASSES[label] for label in found["labels"]]
    assert found["masks"].shape[1:] == (48, 80)
    assert found["boxes"][:, 2].max() > 64  # beyond the network's 64 pixels


def test_an_array_a_folder_and_a_glob_give_the_same(infer, trained):
    paths = images_of(trained)
    by_folder = infer(paths[0].parent, score_thr=0.0, batch_size=2)["predictions"]
    by_glob = infer(str(paths[0].parent / "*.jpg"), score_thr=0.0)["predictions"]
    by_array = infer([np.asarray(Image.open(path)) for path in paths], score_thr=0.0)["predictions"]
    assert [p["img_path"] for p in by_folder] == [p["img_path"] for p in by_glob] == list(map(str, paths))
    for a, b, c in zip(by_folder, by_glob, by_array, strict=True):
        assert a["scores"] == pytest.approx(b["scores"], abs=1e-5)
        assert b["scores"] == pytest.approx(c["scores"], abs=0.02)  # JPEG decoders differ by a grey level


def test_a_threshold_keeps_the_best(infer, trained):
    path = images_of(trained)[0]
    every = infer(path, score_thr=0.0)["predictions"][0]
    threshold = float(np.median(every["scores"]))
    kept = infer(path, score_thr=threshold)["predictions"][0]
    assert len(kept["boxes"]) == (every["scores"] >= threshold).sum() > 0
    none = infer(path, score_thr=1.0, draw=True)
    assert none["predictions"][0]["boxes"].shape == (0, 4) and none["predictions"][0]["masks"].shape == (0, 48, 80)
    with pytest.raises(ValueError, match=r"score_thr must lie in 0\.\.1, got 1\.5"):
        infer("no such file.jpg", score_thr=1.5)


def test_pictures_and_data_samples(infer, trained, tmp_path):
    first, second = images_of(trained)[:2]
    other = tmp_path / "other" / first.name
    other.parent.mkdir()
    other.write_bytes(second.read_bytes())
    result = infer([first, other], score_thr=0.0, out_dir=tmp_path / "out")
    names = [f"{first.stem}.png", f"{first.stem}_2.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    for name, picture in zip(names, result["visualization"], strict=True):
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / name)), picture)
    assert infer(first, out_dir=tmp_path / "out", keep_pictures=False)["visualization"] == []
    (sample,) = infer(first, return_datasamples=True, score_thr=0.0)["predictions"]
    assert sample.pred_instances.masks.shape == (len(sample.pred_instances), 48, 80)


def test_plain_predictions_and_coco_results(infer, trained):
    path = images_of(trained)[1]
    arrays = infer(path, score_thr=0.0)["predictions"][0]
    plain = json.loads(json.dumps(infer(path, score_thr=0.0, plain=True)["predictions"]))
    assert np.array_equal(decode_masks(plain[0]["masks"], (48, 80)), arrays["masks"])
    ids = CocoIds.read(trained / "data/coco/annotations/instances_val2017.json")
    results = coco_results(plain, ids)
    assert len(results) == len(arrays["boxes"]) and {r["image_id"] for r in results} == {2}
    x1, y1, x2, y2 = arrays["boxes"][0]
    assert results[0]["bbox"] == pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=0.02)
    assert results[0]["category_id"] == arrays["labels"][0] + 1
    with pytest.raises(ValueError, match="doesn't know the image"):
        coco_results([{**plain[0], "img_path": "other.jpg"}], ids)
    with pytest.raises(ValueError, match="has no class"):
        coco_results(plain, CocoIds(ids.images, {"dog": 1}))


def test_test_time_augmentation_takes_both_versions(trained):
    infer = mirl_mm.DetectInferencer(trained / "run/iter_4.pth", device="cpu", tta=True)
    path = images_of(trained)[0]
    merged = infer(path, score_thr=0.0)["predictions"][0]
    assert len(merged["boxes"]) == len(merged["masks"]) == 20
    usual = mirl_mm.DetectInferencer(trained / "run/iter_4.pth", device="cpu")(path, score_thr=0.0)["predictions"][0]
    same = np.abs(merged["boxes"][:, None] - usual["boxes"][None]).max(axis=2).min(axis=1) < 1e-3
    assert 0 < same.sum() < len(same)  # of the image as it is, and of the flipped one


def test_what_is_no_detector_or_has_no_augmentation(trained, tmp_path):
    checkpoint = torch.load(trained / "run/iter_4.pth", weights_only=False)
    text = checkpoint["meta"]["cfg"]
    checkpoint["meta"]["cfg"] = text.replace("tta_model", "unused_model")
    torch.save(checkpoint, tmp_path / "without.pth")
    with pytest.raises(ValueError, match="has no test-time augmentation"):
        mirl_mm.DetectInferencer(tmp_path / "without.pth", device="cpu", tta=True)
    with pytest.raises(ValueError, match="2 class names for a model of 8 classes"):
        mirl_mm.DetectInferencer(trained / "run/iter_4.pth", device="cpu", classes=["a", "b"])
    checkpoint["meta"]["cfg"] = "default_scope = 'mirl_mm'\nmodel = dict(type='ImageClassifier')"
    torch.save(checkpoint, tmp_path / "classifier.pth")
    with pytest.raises(ValueError, match="model is ImageClassifier, which detects nothing"):
        mirl_mm.DetectInferencer(tmp_path / "classifier.pth", device="cpu")


def test_a_corrupt_image_is_named(infer, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    with pytest.raises(CorruptImageError, match=r"cannot read image '.*broken\.jpg': (?!AssertionError)"):
        infer(tmp_path / "broken.jpg")


@pytest.mark.parametrize("scope", ["mmdet", "mirl_mm"])
def test_the_scope_before_plays_no_part_and_stays(trained, scope):
    with DefaultScope.overwrite_default_scope(scope):
        mirl_mm.DetectInferencer(trained / "run/iter_4.pth", device="cpu")
        assert DefaultScope.get_current_instance().scope_name == scope


def test_the_tool(trained, tmp_path, monkeypatch):
    tool, checkpoint = "tools/visualization/infer.py", trained / "run/iter_4.pth"
    data = trained / "data/coco"
    run_here(
        monkeypatch,
        *(tool, checkpoint, data / "val2017", "--score-thr", "0", "--out-dir", tmp_path / "out", "--device", "cpu"),
        *("--json", tmp_path / "found.json", "--coco-results", tmp_path / "results.json"),
        *("--annotations", data / "annotations/instances_val2017.json"),
    )
    found = json.loads((tmp_path / "found.json").read_text())
    assert [item["img_path"] for item in found] == list(map(str, images_of(trained)))
    assert len(list((tmp_path / "out").iterdir())) == 3
    coco = COCO(str(data / "annotations/instances_val2017.json"))
    loaded = coco.loadRes(str(tmp_path / "results.json"))
    assert len(loaded.getAnnIds()) == sum(len(item["boxes"]) for item in found) == 60
    assert coco.annToMask(loaded.loadAnns([1])[0]).shape == (48, 80)
    with pytest.raises(SystemExit, match=r"^error: --top-k is for classifiers only: leave it out$"):
        run_here(monkeypatch, tool, checkpoint, data / "val2017", "--top-k", "3")


@pytest.mark.gpu
def test_a_gpu_gives_the_same(trained, gpu):
    """But for boxes between which rounding decides: all with a score well above the many that are alike."""
    here, there = (
        mirl_mm.DetectInferencer(trained / "run/iter_4.pth", device=device)(images_of(trained), score_thr=0.0)
        for device in ("cpu", gpu.type)
    )
    for a, b in zip(here["predictions"], there["predictions"], strict=True):
        assert len(a["boxes"]) == pytest.approx(len(b["boxes"]), abs=2)
        number = min(5, len(a["boxes"]))
        assert a["scores"][:number] == pytest.approx(b["scores"][:number], abs=1e-4)
        assert a["masks"].shape[1:] == b["masks"].shape[1:] == (48, 80)
        nearest = [np.abs(b["boxes"] - box).max(axis=1).min() for box in a["boxes"]]
        assert np.mean(np.array(nearest) < 0.05) > 0.9  # pixels


def test_photos_are_not_replaced(infer, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (80, 48)).save(tmp_path / "photos/a.png")
    before = (tmp_path / "photos/a.png").read_bytes()
    with pytest.raises(OutputError, match=r"is the folder of the input"):
        infer(tmp_path / "photos", out_dir=tmp_path / "photos")
    assert (tmp_path / "photos/a.png").read_bytes() == before


def test_masks_without_boxes(tmp_path):
    """SOLOv2 has a mask head alone; its boxes are those of its masks."""
    from mmengine.config import Config

    from mirl_mm.registry import MODELS

    head = {
        "type": "SOLOV2Head",
        "num_classes": 3,
        "in_channels": 32,
        "feat_channels": 32,
        "stacked_convs": 1,
        "strides": [8, 8, 16, 32, 32],
        "scale_ranges": ((1, 24), (12, 48), (24, 96), (48, 192), (96, 512)),
        "pos_scale": 0.2,
        "num_grids": [8, 6, 4, 3, 2],
        "cls_down_index": 0,
        "mask_feature_head": {
            **{"feat_channels": 32, "start_level": 0, "end_level": 3, "out_channels": 32, "mask_stride": 4},
            "norm_cfg": {"type": "GN", "num_groups": 8},
        },
        "loss_mask": {"type": "DiceLoss", "use_sigmoid": True},
        "loss_cls": {"type": "FocalLoss", "use_sigmoid": True},
    }
    test_cfg = {"nms_pre": 20, "score_thr": 0.0, "mask_thr": 0.3, "filter_thr": 0.0, "kernel": "gaussian", "sigma": 2.0}
    model = {
        "type": "SOLOv2",
        "data_preprocessor": {"type": "DetDataPreprocessor", "pad_size_divisor": 32},
        "backbone": {
            **{"type": "mirl_mm.DeepViT", "arch": {"depth": 2, "embed_dims": 16, "num_heads": 2}},
            **{"img_size": (64, 96), "class_token": False},
        },
        "neck": {"type": "mirl_mm.SimpleFPN", "in_channels": 16, "out_channels": 32, "num_outs": 5},
        "mask_head": head,
        "test_cfg": {**test_cfg, "max_per_img": 5},
    }
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "Resize", "scale": (96, 64)}, {"type": "PackDetInputs"}]
    pipeline[-1]["meta_keys"] = ("img_path", "ori_shape", "img_shape", "scale_factor")
    cfg = Config({"default_scope": "mmdet", "model": model, "test_dataloader": {"dataset": {"pipeline": pipeline}}})
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmdet"):
        state = MODELS.build(cfg.model).state_dict()
    torch.save({"state_dict": state, "meta": {"cfg": cfg.pretty_text}}, tmp_path / "solo.pth")
    infer = mirl_mm.DetectInferencer(cfg, tmp_path / "solo.pth", device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    (found,) = infer(image, score_thr=0.0, draw=True)["predictions"]
    assert infer.classes == ("class 0", "class 1", "class 2") and len(found["boxes"])
    for box, mask in zip(found["boxes"].tolist(), found["masks"], strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert box == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
