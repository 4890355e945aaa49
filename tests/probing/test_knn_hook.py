"""k-NN accuracy during training, which changes nothing about it."""

import json

import pytest
import torch
from torch import nn

from mirl_mm.probing.encoder import load_encoder
from mirl_mm.probing.features import extract_features
from mirl_mm.probing.knn import knn_scores, topk_accuracy
from mirl_mm.probing.knn_hook import KNNHook
from mirl_mm.probing.labelled_images import labelled_pair
from mirl_mm.visualization.scalars import read_scalars
from tests.engine.test_distributed import by_script
from tests.probing.folders import write_classes
from tests.training import small_config, train, weights


@pytest.fixture
def data(tmp_path):
    return write_classes(write_classes(tmp_path / "data", "train", 8), "val", 3)


def hook(data, **settings):
    train_set, val_set = ({"data_root": str(data), "split": split} for split in ("train", "val"))
    common = {"type": "KNNHook", "interval": 1, "k": 5, "num_workers": 0, "batch_size": 5}
    return {**common, "train": train_set, "val": val_set, **settings}


def config(data, work_dir, *hooks, **options):
    cfg = small_config(data, work_dir, model__backbone__drop_path_rate=0.3, **options)
    cfg.custom_hooks = list(hooks)
    return cfg


def test_weights_are_those_of_a_run_without_it(data, tmp_path, device):
    """Drop path, masks and augmentation draw random numbers all the time: one more or less would change them."""
    model = train(config(data, tmp_path / "with", hook(data)))
    train(config(data, tmp_path / "without"))
    found, expected = weights(tmp_path / "with"), weights(tmp_path / "without")
    assert found.keys() == expected.keys()
    assert [name for name in found if not torch.equal(found[name], expected[name])] == []
    assert all(module.training for module in model.modules())


def test_figures_are_logged_and_right(data, tmp_path, device):
    train(config(data, tmp_path / "run", hook(data, depths=[0, 1])))
    logged = read_scalars(tmp_path / "run").val
    assert logged.keys() == {"knn/top1_block0", "knn/top1_block1", "knn/top1"}
    assert [step for step, _ in logged["knn/top1"]] == [6, 12]  # iterations of the epochs' ends
    encoder = load_encoder(tmp_path / "run/epoch_2.pth")
    sets = ({"data_root": str(data), "split": split} for split in ("train", "val"))
    bank, queries = (
        extract_features(encoder, images, [0, 2], final_norm=True) for images in labelled_pair(*sets, encoder.pipeline)
    )
    for depth, name in ((0, "knn/top1_block0"), (2, "knn/top1")):
        scores = knn_scores(bank.by_depth[depth], bank.labels, queries.by_depth[depth], 3, k=5)
        assert logged[name][-1][1] == pytest.approx(topk_accuracy(scores, queries.labels))
    assert logged["knn/top1_block0"][-1][1] > 60  # colours tell the classes apart; chance is 33


def test_interval_and_limits(data, tmp_path, device):
    given = hook(data, interval=5, num_train=6, num_val=3)
    train(config(data, tmp_path / "run", given))
    (file,) = (tmp_path / "run").glob("*/vis_data/scalars.json")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["step"] for record in records if "knn/top1" in record] == [2]  # after the last epoch only
    (log,) = (tmp_path / "run").glob("*/*.log")
    assert "6 and 3 images" in log.read_text()


@pytest.mark.slow
def test_two_processes_share_the_images(data, tmp_path, two_devices):
    """An odd number of images each; training in between the same as without the hook would be."""
    cfg = config(data, tmp_path / "run", hook(data, num_train=11, num_val=7))
    cfg.dump(tmp_path / "config.py")
    by_script("train", 29641, tmp_path / "config.py", 2)
    encoder = load_encoder(tmp_path / "run/epoch_2.pth")
    sets = ({"data_root": str(data), "split": split} for split in ("train", "val"))
    bank, queries = (
        extract_features(encoder, images, [2], final_norm=True)
        for images in labelled_pair(*sets, encoder.pipeline, (11, 7))
    )
    scores = knn_scores(bank.by_depth[2], bank.labels, queries.by_depth[2], 3, k=5)
    expected = topk_accuracy(scores, queries.labels)
    assert [value for _, value in read_scalars(tmp_path / "run").val["knn/top1"]][-1:] == [pytest.approx(expected)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 25}, "k = 25 neighbours need at least as many labelled images, there are 24"),
        ({"depths": [3]}, r"numbers of blocks from 0 \(the embedding\) to 2"),
        ({"num_train": -1}, "must be positive, or 0 for all"),
    ],
)
def test_refusals_before_training(data, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        train(config(data, tmp_path / "run", hook(data, **settings)))
    assert not list((tmp_path / "run").glob("*.pth"))


def test_refusals_of_data_and_models(data, tmp_path):
    unlabelled = hook(data, val={"data_root": str(data), "split": "val", "labelled": False})
    with pytest.raises(ValueError, match="have none: set labelled=True"):
        train(config(data, tmp_path / "run", unlabelled))
    with pytest.raises(ValueError, match="interval must be at least 1, got 0"):
        KNNHook({}, {}, interval=0)

    class Runner:
        model = nn.Linear(1, 1)

    with pytest.raises(TypeError, match="needs a model with a plain backbone such as DeepViT, not Linear"):
        KNNHook({}, {}).before_train(Runner())
