"""All inferencers are made and called in one way."""

import dataclasses
import inspect
import json

import numpy as np
import pytest

import mirl_mm
from mirl_mm.datasets import CorruptImageError
from mirl_mm.engine.launch import build_runner
from mirl_mm.inference import ImageInferencer
from mirl_mm.inference.dispatch import inferencer_for
from mirl_mm.outputs import OutputError
from tests.conftest import forget_runs
from tests.training import small_classifier, small_config, train, write_class_folders, write_images

PICTURED = tuple(getattr(mirl_mm, f"{task}Inferencer") for task in ("Reconstruct", "Classify", "Detect", "Segment"))


@pytest.mark.parametrize("kind", [*PICTURED, mirl_mm.FeatureInferencer])
def test_constructors_agree(kind):
    """Each takes what the base does, and what it has of its own by name."""
    base = inspect.signature(ImageInferencer)
    if kind.__init__ is not ImageInferencer.__init__:
        first, *own, last = inspect.signature(kind).parameters.values()
        assert (first.kind, last.kind) == (first.VAR_POSITIONAL, last.VAR_KEYWORD)
        assert own and all(each.kind is each.KEYWORD_ONLY for each in own)
        assert not {each.name for each in own} & set(base.parameters)


@pytest.mark.parametrize("kind", [*PICTURED, mirl_mm.FeatureInferencer])
def test_calls_agree(kind):
    assert kind.__call__ is ImageInferencer.__call__
    own = {field.name for field in dataclasses.fields(kind.Options)}
    assert own and not own & set(inspect.signature(kind.__call__).parameters)
    assert {flag.dest for flag in kind.command.flags} & own


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("family")
    cfg = small_config(write_images(folder / "images", 8), folder / "pretrain", train_cfg__max_epochs=1)
    cfg.test_dataloader = dict(cfg.train_dataloader)
    cfg.test_cfg, cfg.test_evaluator = {"type": "TestLoop"}, {"type": "MaskedLoss"}
    train(cfg)
    cfg = small_classifier(write_class_folders(folder / "classes"), folder / "cls", train_cfg__max_epochs=1)
    forget_runs()
    build_runner(cfg, ["train_dataloader", "val_dataloader"]).train()
    return {
        mirl_mm.ReconstructInferencer: folder / "pretrain/epoch_1.pth",
        mirl_mm.ClassifyInferencer: folder / "cls/epoch_1.pth",
        mirl_mm.FeatureInferencer: folder / "cls/epoch_1.pth",
    }


@pytest.mark.parametrize("kind", [mirl_mm.ReconstructInferencer, mirl_mm.ClassifyInferencer, mirl_mm.FeatureInferencer])
def test_results_agree(checkpoints, kind, tmp_path):
    infer = kind(checkpoints[kind], device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (70, 80, 3), dtype=np.uint8)
    result = infer([image, image], batch_size=2, plain=True)
    assert list(result) == ["predictions", "visualization"]
    for prediction in json.loads(json.dumps(result["predictions"])):
        assert next(iter(prediction)) == "img_path" and prediction["img_path"] is None
    if kind in PICTURED:
        assert len(infer(image, draw=True)["visualization"]) == 1
        assert infer(image, draw=False)["visualization"] == []
        assert infer(image, out_dir=tmp_path, keep_pictures=False)["visualization"] == []
        assert len(list(tmp_path.iterdir())) == 1


def test_the_model_decides_the_inferencer(checkpoints, tmp_path):
    for kind in (mirl_mm.ReconstructInferencer, mirl_mm.ClassifyInferencer):
        assert inferencer_for(checkpoints[kind]) is kind
    config = tmp_path / "config.py"
    for text, message in (
        (
            "model = dict(type='DeepViT')",
            "the model is DeepViT, for which there is no inferencer: there are some for classifiers",
        ),
        ("model = dict(type='Nonsense')", "there is no model 'Nonsense'"),
        ("lr = 1", "has no model: give that of its training"),
    ):
        config.write_text(text)
        with pytest.raises(ValueError, match=message):
            inferencer_for(checkpoints[mirl_mm.ClassifyInferencer], config)


@pytest.mark.seg
def test_a_segmentors_config(checkpoints):
    pytest.importorskip("mirl_mm.segmentation.mmseg_parts", exc_type=ImportError)
    path = checkpoints[mirl_mm.ClassifyInferencer]
    assert inferencer_for(path, "configs/seg/mirl_vitb_ade20k.py") is mirl_mm.SegmentInferencer


@pytest.mark.det
def test_a_detectors_config(checkpoints):
    pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
    path = checkpoints[mirl_mm.ClassifyInferencer]
    assert inferencer_for(path, "configs/det/mirl_vitb_coco.py") is mirl_mm.DetectInferencer


@pytest.mark.parametrize("kind", [mirl_mm.ReconstructInferencer, mirl_mm.ClassifyInferencer])
def test_nothing_is_written_among_the_images_nor_over_anything(checkpoints, kind, tmp_path):
    infer = kind(checkpoints[kind], device="cpu")
    photos = write_images(tmp_path / "photos", 3)
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}
    for folder in (photos, photos / "train"):
        with pytest.raises(OutputError, match="is the folder of the input"):
            infer(photos, out_dir=folder)
    assert {path: path.read_bytes() for path in photos.rglob("*.*")} == before
    for _ in range(2):  # its own pictures it may replace
        infer(photos, out_dir=tmp_path / "out")
    (picture,) = (tmp_path / "out").iterdir()
    picture.write_bytes(b"another's")
    with pytest.raises(OutputError, match="is there and is not"):
        infer(photos, out_dir=tmp_path / "out")
    assert picture.read_bytes() == b"another's"


def test_images_that_cannot_be_read_do_not_lose_the_others(checkpoints, tmp_path):
    infer = mirl_mm.ClassifyInferencer(checkpoints[mirl_mm.ClassifyInferencer], device="cpu")
    photos = write_images(tmp_path / "photos", 3) / "train"
    first = sorted(photos.iterdir())[0]
    first.write_bytes(b"no image")
    with pytest.raises(CorruptImageError, match=f"cannot read image '{first}'"):
        infer(photos)
    result = infer(photos, on_error="skip", out_dir=tmp_path / "out")
    assert [each["img_path"] for each in result["predictions"]] == list(map(str, sorted(photos.iterdir())[1:]))
    assert list(result["failed"]) == [0] and "cannot read image" in result["failed"][0]
    with pytest.raises(CorruptImageError):
        infer(first, on_error="skip")
    with pytest.raises(ValueError, match="on_error must be 'stop' or 'skip', got 'x'"):
        infer(photos, on_error="x")
