"""tools/visualization/infer.py on pre-trained models, for features, and on what it refuses.

On classifiers, detectors and segmentors it is tested with their inferencers, in their folders.
"""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training import run_here, small_config, train, write_images

TOOL = "tools/visualization/infer.py"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Data and an epoch of MIRL, whose checkpoint names no test pipeline; a config that does."""
    folder = tmp_path_factory.mktemp("reconstruct_tool")
    cfg = small_config(write_images(folder / "data", 8), folder / "run", train_cfg__max_epochs=1)
    train(cfg)
    cfg.test_dataloader = dict(cfg.train_dataloader)
    cfg.dump(folder / "config.py")
    return folder


def test_pictures_of_a_glob(trained, monkeypatch, capsys):
    out = trained / "out"
    arguments = ["--config", trained / "config.py", "--out-dir", out, "--num-images", "5", "--rows", "3"]
    run_here(monkeypatch, TOOL, trained / "run/epoch_1.pth", f"{trained}/data/**/*.png", *arguments)
    shown = capsys.readouterr().out
    files = [out / "reconstruction_1.png", out / "reconstruction_2.png"]
    assert shown.splitlines()[-2:] == [str(file) for file in files]
    assert "5 images; mean loss: pair_1_2" in shown
    assert "un-normalised by the mean and std of the original's patches" in shown
    three, two = (np.asarray(Image.open(file)) for file in files)
    assert three.shape[0] - two.shape[0] > 112  # a row less
    assert not list(out.glob("*.tmp*"))


@pytest.mark.parametrize(
    ("checkpoint", "images", "message"),
    [
        ("run/epoch_9.pth", "data", "no checkpoint"),
        ("run/epoch_1.pth", "data/*.bmp", "no files match the glob"),
        ("run/epoch_1.pth", "data", "the config has neither test_dataloader nor val_dataloader"),
        ("backbone.pth", "data", "holds no config: give the config file of its model"),
    ],
)
def test_errors_are_said_plainly(trained, monkeypatch, checkpoint, images, message):
    state = torch.load(trained / "run/epoch_1.pth", weights_only=False)["state_dict"]
    torch.save({name: value for name, value in state.items() if name.startswith("backbone")}, trained / "backbone.pth")
    with pytest.raises(SystemExit, match=rf"^error: .*{re.escape(message)}"):
        run_here(monkeypatch, TOOL, trained / checkpoint, trained / images)


def test_features_go_into_a_file(trained, monkeypatch):
    file = trained / "features.npz"
    options = ("--config", trained / "config.py", "--features", file, "--depths", "1", "-1", "--device", "cpu")
    run_here(monkeypatch, TOOL, trained / "run/epoch_1.pth", trained / "data/train", *options)
    with np.load(file) as found:
        assert found["paths"].tolist() == sorted(map(str, (trained / "data/train").iterdir()))
        assert {name: found[name].shape for name in found if name != "paths"} == {
            "depth_1": (8, 16),
            "depth_2": (8, 16),
        }
        assert np.ptp(found["depth_2"], axis=0).min() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--score-thr", "0.5"), "--score-thr is for detectors only: leave it out"),
        (("--tta",), "--tta is for detectors and segmentors only: leave it out"),
        (("--tile", "9", "9"), "--tile is for segmentors only: leave it out"),
        (("--depths", "1"), "--depths is for features only: leave it out"),
    ],
)
def test_options_of_other_kinds_are_refused(trained, monkeypatch, options, message):
    with pytest.raises(SystemExit, match=f"^error: {message}"):
        run_here(
            *(monkeypatch, TOOL, trained / "run/epoch_1.pth", trained / "data"),
            *("--config", trained / "config.py", *options),
        )
