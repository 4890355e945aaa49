"""From a classifier's checkpoint to labels, scores and features."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import mirl_mm
from mirl_mm.engine.launch import build_runner
from tests.conftest import forget_runs
from tests.training import run_here, small_classifier, write_class_folders


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Data of two classes, and two epochs of a small classifier: ``run/epoch_2.pth``."""
    folder = tmp_path_factory.mktemp("classify")
    cfg = small_classifier(write_class_folders(folder / "data"), folder / "run")
    forget_runs()
    build_runner(cfg, ["train_dataloader", "val_dataloader"]).train()
    return folder


@pytest.fixture(scope="module")
def infer(trained):
    return mirl_mm.ClassifyInferencer(trained / "run/epoch_2.pth", device="cpu")


def images_of(trained):
    return sorted((trained / "data/val").rglob("*.png"))


def test_scores_are_the_models(infer, trained):
    paths = images_of(trained)[:3]
    predictions = infer(paths, batch_size=2)["predictions"]
    classes = sorted(folder.name for folder in (trained / "data/train").iterdir())
    batch = infer.collate_fn([infer.pipeline(str(path)) for path in paths])
    with torch.no_grad():
        expected = infer.model(infer.model.data_preprocessor(batch, False)["inputs"]).softmax(dim=1)
    for path, prediction, scores in zip(paths, predictions, expected, strict=True):
        assert prediction["img_path"] == str(path)
        assert prediction["label"] == scores.argmax()
        assert prediction["name"] == classes[prediction["label"]]
        assert [top["score"] for top in prediction["top"]] == pytest.approx(sorted(scores.tolist(), reverse=True))
        assert sum(top["score"] for top in prediction["top"]) == pytest.approx(1)


def test_an_array_a_folder_and_a_glob_give_the_same(infer, trained):
    folder = trained / "data/val"
    paths = images_of(trained)
    by_folder = infer(folder)["predictions"]
    by_glob = infer(str(folder / "*/*.png"))["predictions"]
    by_array = infer([np.asarray(Image.open(path)) for path in paths])["predictions"]
    assert [p["img_path"] for p in by_folder] == [p["img_path"] for p in by_glob] == list(map(str, paths))
    for a, b, c in zip(by_folder, by_glob, by_array, strict=True):
        assert a["score"] == pytest.approx(b["score"]) and a["score"] == pytest.approx(c["score"])


def test_top_k_pictures_and_data_samples(infer, trained, tmp_path):
    result = infer(images_of(trained)[:3], top_k=1, out_dir=tmp_path, per_sheet=2)
    assert [len(p["top"]) for p in result["predictions"]] == [1, 1, 1]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["classes_1.png", "classes_2.png"]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "classes_1.png")), result["visualization"][0])
    (sample,) = infer(images_of(trained)[0], return_datasamples=True)["predictions"]
    assert sample.pred_score.shape == (2,)


def test_class_names_of_ones_own(trained):
    infer = mirl_mm.ClassifyInferencer(trained / "run/epoch_2.pth", device="cpu", classes=["x", "y"])
    assert infer(images_of(trained)[0])["predictions"][0]["name"] in ("x", "y")
    with pytest.raises(ValueError, match="3 class names for a model of 2 classes"):
        mirl_mm.ClassifyInferencer(trained / "run/epoch_2.pth", device="cpu", classes=["x", "y", "z"])


def test_bad_arguments_are_refused_before_anything_runs(infer, trained):
    for wrong in ({"top_k": 0}, {"per_sheet": 0}):
        with pytest.raises(ValueError, match="top_k and per_sheet must be at least 1"):
            infer("no such file.jpg", **wrong)


def test_features_after_chosen_blocks(trained):
    extract = mirl_mm.FeatureInferencer(trained / "run/epoch_2.pth", device="cpu")
    path = images_of(trained)[0]
    tokens = extract(path, depths=[0, 1, -1], pool="none")["predictions"][0]["features"]
    assert {depth: array.shape for depth, array in tokens.items()} == dict.fromkeys((0, 1, 2), (65, 16))
    backbone = extract.model
    image = extract.encoder.preprocess(extract.collate_fn([extract.pipeline(str(path))]), False)["inputs"]
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(tokens[2]), backbone.forward_tokens(image)[-1][0])
        torch.testing.assert_close(torch.from_numpy(tokens[0]), backbone.embed(image)[0])
    mean = extract(path, depths=-1)["predictions"][0]["features"][2]
    assert mean == pytest.approx(tokens[2][1:].mean(axis=0), abs=1e-6)
    token = extract(path, depths=[1], pool="token")["predictions"][0]["features"][1]
    assert token == pytest.approx(tokens[1][0])
    with pytest.raises(ValueError, match="depths must be numbers of blocks from 0"):
        extract(path, depths=3)
    with pytest.raises(ValueError, match="pool must be one of avg, token, none"):
        extract(path, pool="max")


def test_the_tool(trained, tmp_path, device, monkeypatch, capsys):
    checkpoint, folder = trained / "run/epoch_2.pth", trained / "data/val"
    json_file = tmp_path / "labels.json"
    tool = "tools/visualization/infer.py"
    run_here(monkeypatch, tool, checkpoint, folder, "--json", json_file, "--out-dir", tmp_path / "pictures")
    assert len(json.loads(json_file.read_text())) == len(images_of(trained))
    assert str(tmp_path / "pictures/classes.png") in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"^error: no image, folder or glob"):
        run_here(monkeypatch, tool, checkpoint, tmp_path / "nothing")


@pytest.mark.gpu
def test_a_gpu_gives_the_same(trained, gpu):
    paths, checkpoint = images_of(trained), trained / "run/epoch_2.pth"
    here, there = (
        mirl_mm.ClassifyInferencer(checkpoint, device=device)(paths, batch_size=4)["predictions"]
        for device in ("cpu", gpu.type)
    )
    for a, b in zip(here, there, strict=True):
        scores = [{top["label"]: top["score"] for top in each["top"]} for each in (a, b)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    here, there = (
        mirl_mm.FeatureInferencer(checkpoint, device=device)(paths, depths=-1)["predictions"]
        for device in ("cpu", gpu.type)
    )
    for a, b in zip(here, there, strict=True):
        assert a["features"][2] == pytest.approx(b["features"][2], abs=1e-4)
