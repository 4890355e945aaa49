"""The depth probe: right at each depth, and going on after a kill."""

import json
from dataclasses import replace

import pytest
import timm
import torch
import torch.nn.functional as F

from mirl_mm import TimmViT
from mirl_mm.probing import depth_probe
from mirl_mm.probing.depth_probe import DepthProbe, ProbeSettings, segment_borders
from mirl_mm.probing.encoder import load_encoder, random_encoder
from mirl_mm.probing.features import extract_features
from mirl_mm.probing.knn import knn_scores, topk_accuracy
from mirl_mm.probing.labelled_images import labelled_pair
from mirl_mm.probing.linear_probe import fit_linear_probe
from tests.models.timm_cases import KINDS, randomise
from tests.probing.checkpoints import write_checkpoint
from tests.probing.folders import write_classes

SETTINGS = ProbeSettings(k=5, l2_grid=(0.1, 0.01))


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """An encoder, training images and validation images."""
    folder = tmp_path_factory.mktemp("depth")
    write_classes(write_classes(folder / "data", "train", 8), "val", 3)
    encoder = load_encoder(write_checkpoint(folder), name="MIRL")
    train, val = ({"data_root": str(folder / "data"), "split": split} for split in ("train", "val"))
    return folder, encoder, *labelled_pair(train, val, encoder.pipeline)


def probe(folder, settings=SETTINGS, **options):
    return DepthProbe(settings, folder / "cache", **options)


class Counter:
    """Counts the calls of a function, and fails at one of them."""

    def __init__(self, function, fail_at=None):
        self.function, self.fail_at, self.calls = function, fail_at, []

    def __call__(self, *args, **kwargs):
        self.calls.append(args)
        if len(self.calls) == self.fail_at:
            raise KeyboardInterrupt
        return self.function(*args, **kwargs)


def test_figures_are_those_of_each_depth(given, tmp_path):
    _, encoder, train, val = given
    found = probe(tmp_path).run(encoder, train, val, [4, 0, 2])
    assert list(found) == [0, 2, 4]
    bank, queries = (extract_features(encoder, images, [0, 2, 4]) for images in (train, val))
    for depth, figures in found.items():
        ours, theirs = bank.by_depth[depth], queries.by_depth[depth]
        near = knn_scores(ours, bank.labels, theirs, 3, 5)
        linear = fit_linear_probe(ours, bank.labels, 3, (0.1, 0.01))
        assert figures["knn_top1"] == topk_accuracy(near, queries.labels)
        assert figures["linear_top1"] == topk_accuracy(linear.scores(theirs), queries.labels)
        assert (figures["l2"], figures["gradient"]) == (linear.l2, linear.gradient)
        assert figures["knn_top5"] == figures["linear_top5"] == 100  # three classes
    assert found[0]["knn_top1"] > 60


def test_timms_models_are_probed(given, tmp_path):
    """By k-NN and a linear classifier, with the features that timm's own model gives after a block."""
    _, encoder, train, val = given
    name, options = KINDS["dinov2, registers, patch 14"]
    theirs = randomise(timm.create_model(name, num_classes=0, img_size=70, **options)).eval()
    other = replace(encoder, backbone=TimmViT(name, (64, 64), options).eval(), segments=None)
    other.backbone.load_state_dict(theirs.state_dict())
    found = probe(tmp_path).run(other, train, val, [0, 2])
    (queries,) = extract_features(other, val, [1]).by_depth.values()
    batch = other.preprocess({"inputs": [val[i]["inputs"] for i in range(2)]})["inputs"]
    with torch.no_grad():
        padded = F.pad(batch, (0, 6, 0, 6))
        (maps,) = theirs.forward_intermediates(padded, indices=[0], intermediates_only=True)
    torch.testing.assert_close(queries[:2], maps.mean(dim=(2, 3)), rtol=1e-4, atol=1e-4)
    assert all(0 < found[depth][f"{kind}_top1"] <= 100 for depth in (0, 2) for kind in ("knn", "linear"))


def test_goes_on_after_a_kill(given, tmp_path, monkeypatch):
    _, encoder, train, val = given
    expected = probe(tmp_path / "whole").run(encoder, train, val, range(5))
    killed = Counter(fit_linear_probe, fail_at=4)
    monkeypatch.setattr(depth_probe, "fit_linear_probe", killed)
    with pytest.raises(KeyboardInterrupt):
        probe(tmp_path).run(encoder, train, val, range(5))
    extractions, fits = Counter(extract_features), Counter(fit_linear_probe)
    monkeypatch.setattr(depth_probe, "extract_features", extractions)
    monkeypatch.setattr(depth_probe, "fit_linear_probe", fits)
    assert probe(tmp_path).run(encoder, train, val, range(5)) == expected
    assert [call[2] for call in extractions.calls] == [[3, 4], [3, 4]]
    assert len(fits.calls) == 2
    assert probe(tmp_path).run(encoder, train, val, range(5)) == expected
    assert len(fits.calls) == 2


def test_cache_is_for_the_same_weights_settings_and_images(given, tmp_path):
    folder, encoder, train, val = given
    other = random_encoder(folder / "mirl.pth", seed=9)
    probe(tmp_path).run(encoder, train, val, [2])
    probe(tmp_path).run(encoder, train, val, [2, 3])
    assert len(list((tmp_path / "cache").iterdir())) == 1
    probe(tmp_path).run(other, train, val, [2])
    probe(tmp_path, ProbeSettings(k=4, l2_grid=(0.1, 0.01))).run(encoder, train, val, [2])
    probe(tmp_path).run(encoder, train, val.shard(0, 2), [2])
    files = sorted((tmp_path / "cache").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    assert len(files) == 4
    assert json.loads(files[0].read_text())["depths"].keys() == {"2", "3"}


def test_little_memory_takes_more_passes(given, tmp_path, monkeypatch):
    _, encoder, train, val = given
    expected = probe(tmp_path / "one").run(encoder, train, val, range(5))
    extractions = Counter(extract_features)
    monkeypatch.setattr(depth_probe, "extract_features", extractions)
    memory = 2 * 4 * 16 * (len(train) + len(val))
    assert probe(tmp_path / "three", memory=memory).run(encoder, train, val, range(5)) == expected
    assert [call[2] for call in extractions.calls[::2]] == [[0, 1], [2, 3], [4]]


def test_refusals(given, tmp_path):
    _, encoder, train, val = given
    with pytest.raises(ValueError, match=r"to 4 \(all of this encoder's\), got \[7\]"):
        probe(tmp_path).run(encoder, train, val, [7])
    with pytest.raises(ValueError, match="k = 25 neighbours"):
        probe(tmp_path, ProbeSettings(k=25)).run(encoder, train, val, [1])


def test_segment_borders():
    assert segment_borders(48, 6) == [0, 8, 16, 24, 32, 40, 48]
