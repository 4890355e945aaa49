"""Pictures during training, which change nothing about it."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mirl_mm.pretraining import reconstruction
from mirl_mm.pretraining.reconstruction_hook import ReconstructionHook
from tests.training import small_config, train, weights, write_images


@pytest.fixture
def data(tmp_path):
    return write_images(tmp_path / "data", 12)


def run(data, work_dir, hook, **options):
    cfg = small_config(data, work_dir, model__backbone__drop_path_rate=0.3, **options)
    cfg.custom_hooks = [hook] if hook else []
    return train(cfg)


def pictures(work_dir):
    return {path.stem: np.asarray(Image.open(path)) for path in sorted(work_dir.glob("*/vis_data/vis_image/*.png"))}


def test_weights_are_those_of_a_run_without_it(data, tmp_path):
    """Drop path, masks and augmentation draw random numbers all the time: one more or less would change them."""
    run(data, tmp_path / "with", {"type": "ReconstructionHook", "interval": 1, "num_images": 4})
    run(data, tmp_path / "without", None)
    expected = weights(tmp_path / "without")
    found = weights(tmp_path / "with")
    assert found.keys() == expected.keys()
    assert [name for name in found if not torch.equal(found[name], expected[name])] == []
    first, second = pictures(tmp_path / "with").values()
    assert first.shape == second.shape
    assert (first != second).any()


def test_every_n_epochs_and_after_the_last(data, tmp_path):
    run(data, tmp_path / "run", {"type": "ReconstructionHook", "interval": 2, "num_images": 2}, train_cfg__max_epochs=5)
    assert list(pictures(tmp_path / "run")) == ["reconstruction_2", "reconstruction_4", "reconstruction_5"]


def test_always_the_same_images_and_masks(data, tmp_path, monkeypatch):
    seen = []

    def spy(model, images, noise, paste_visible):
        seen.append((images.clone(), noise.clone()))
        return reconstruction.reconstruct(model, images, noise, paste_visible)

    monkeypatch.setattr("mirl_mm.pretraining.reconstruction_hook.reconstruct", spy)
    for name in ("a", "b"):
        run(data, tmp_path / name, {"type": "ReconstructionHook", "interval": 1, "num_images": 5})
    assert len(seen) == 4
    assert seen[0][0].shape == (5, 3, 64, 64)
    assert len({noise.argmin().item() for noise in seen[0][1]}) > 1
    for images, noise in seen[1:]:
        assert torch.equal(images, seen[0][0])
        assert torch.equal(noise, seen[0][1])


def test_validation_images_where_there_are_any(data, tmp_path, monkeypatch):
    (write_images(tmp_path / "other", 3) / "train").rename(data / "val")
    labels = []

    def spy(result, names, title):
        labels.append(names)
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr("mirl_mm.pretraining.reconstruction_hook.reconstruction_grid", spy)
    cfg = small_config(data, tmp_path / "run", train_cfg__max_epochs=1)
    loader = dict(cfg.train_dataloader, drop_last=False, sampler={"type": "EpochSampler", "shuffle": False})
    loader["dataset"] = dict(cfg.train_dataloader.dataset, split="val")
    cfg.val_dataloader, cfg.val_cfg, cfg.val_evaluator = loader, {"type": "ValLoop"}, {"type": "MaskedLoss"}
    cfg.custom_hooks = [{"type": "ReconstructionHook", "num_images": 8}]
    train(cfg)
    assert labels == [["000.png", "001.png", "002.png"]]  # all three, none twice


def test_refusals():
    with pytest.raises(ValueError, match="interval and num_images must be at least 1, got 0 and 8"):
        ReconstructionHook(interval=0)

    class Runner:
        model = nn.Linear(1, 1)

    with pytest.raises(TypeError, match="needs MIRL or MAE, not Linear"):
        ReconstructionHook().before_train(Runner())
