"""tools/train.py and tools/test.py from the command line: what they do, and what they refuse at once."""

import json
import runpy
import shutil
import sys

import pytest
import torch
from PIL import Image

from mirl_mm.datasets import CorruptImageError
from tests.conftest import forget_runs
from tests.training import ROOT, small_config, train, write_images


def call(tool: str, *arguments) -> None:
    """Run a tool in this process, as from the command line; what its one line of an error comes from is raised."""
    forget_runs()
    argv, sys.argv = sys.argv, [tool, *map(str, arguments)]
    try:
        runpy.run_path(str(ROOT / "tools" / tool), run_name="__main__")
    except SystemExit as end:
        raise (end.__cause__ or end) from None
    finally:
        sys.argv = argv


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A config with validation, its data and a run of one epoch."""
    folder = tmp_path_factory.mktemp("tools")
    (write_images(folder / "data", 6) / "train").rename(folder / "data/val")
    write_images(folder / "data", 8)
    cfg = small_config(folder / "data", folder / "run", train_cfg__max_epochs=1, model__num_segments=2)
    cfg.model.backbone.arch = {"depth": 4, "embed_dims": 16, "num_heads": 2}
    cfg.model.num_segments = 4
    loader = dict(
        cfg.train_dataloader, batch_size=4, drop_last=False, sampler={"type": "EpochSampler", "shuffle": False}
    )
    loader["dataset"] = dict(cfg.train_dataloader.dataset, split="val")
    cfg.val_dataloader = cfg.test_dataloader = loader
    cfg.val_cfg, cfg.test_cfg = {"type": "ValLoop"}, {"type": "TestLoop"}
    cfg.val_evaluator = cfg.test_evaluator = {"type": "MaskedLoss"}
    cfg.train_cfg.val_interval = 1
    cfg.dump(folder / "config.py")
    call("train.py", folder / "config.py", "--work-dir", folder / "run")
    return folder


def test_test_gives_the_loss_of_each_pair(trained, device):
    arguments = [trained / "config.py", trained / "run/epoch_1.pth", "--work-dir", trained / "test"]
    call("test.py", *arguments, "--json", trained / "metrics.json")
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics.keys() == {"loss", "pair_1_4", "pair_2_3"}
    assert metrics["loss"] == pytest.approx((metrics["pair_1_4"] + metrics["pair_2_3"]) / 2)
    (log,) = (trained / "run").glob("*/vis_data/scalars.json")
    validated = json.loads(log.read_text().splitlines()[-1])
    assert metrics["loss"] == pytest.approx(validated["loss"], rel=1e-6)  # the same masks at every validation


def test_tensorboard_and_amp(trained, device):
    arguments = [trained / "config.py", "--work-dir", trained / "board", "--amp", "--no-validate"]
    call("train.py", *arguments, "--tracker", "tensorboard")
    assert list((trained / "board").glob("*/vis_data/events.out.tfevents*"))
    saved = (trained / "board/config.py").read_text()
    assert "Bf16OptimWrapper" in saved


def test_resumes_by_itself_and_starts_from_the_beginning_if_there_is_nothing(trained, device):
    call("train.py", trained / "config.py", "--work-dir", trained / "new", "--resume", "--no-validate")
    call("train.py", trained / "config.py", "--work-dir", trained / "new", "--resume", "--no-validate", "--epochs", "2")
    assert torch.load(trained / "new/epoch_2.pth", weights_only=False)["meta"]["iter"] == 4


def refuse(config, *arguments, error=ValueError, match: str) -> None:
    work_dir = config.parent / "refused"
    shutil.rmtree(work_dir, ignore_errors=True)  # of another test's refusal, which came after the runner was made
    with pytest.raises(error, match=match):
        call("train.py", config, "--work-dir", work_dir, *arguments)


def test_missing_folder(trained):
    message = r"train_dataloader: data_root '/none' is no folder .*Set data_root"
    refuse(trained / "config.py", "--data-root", "/none", error=FileNotFoundError, match=message)
    assert not (trained / "refused").exists()


def test_empty_folder(trained, tmp_path):
    (tmp_path / "train").mkdir()
    refuse(trained / "config.py", "--data-root", tmp_path, match="folder '.*' holds no files")
    assert not (trained / "refused").exists()


def test_truncated_and_pretended_jpeg(trained, tmp_path):
    (tmp_path / "train").mkdir()
    photo = tmp_path / "train/a.jpg"
    Image.effect_noise((80, 80), 50).convert("RGB").save(photo)
    photo.write_bytes(photo.read_bytes()[:1500])
    common = ["--data-root", tmp_path, "--no-validate", "--cfg-options", "train_dataloader.batch_size=1"]
    refuse(trained / "config.py", *common, error=CorruptImageError, match=r"a\.jpg.*on_corrupt='skip'")
    photo.write_text("I am a text")
    refuse(trained / "config.py", *common, error=CorruptImageError, match=r"a\.jpg.*on_corrupt='skip'")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("model.num_segments=3", "num_segments=3 is not an even number"),
        ("model.num_segments=6", "num_segments=6 does not divide the backbone's 4 blocks"),
        ("model.mask_ratio=0", "mask_ratio must lie between 0 and 1"),
        ("model.mask_ratio=1", "mask_ratio must lie between 0 and 1"),
        ("model.backbone.img_size=(60,64)", "image height 60 is not divisible by the patch height 8: use 56 or 64"),
        ("model.backbone.drop_pth_rate=0.1", "did you mean drop_path_rate"),
        ("train_dataloader.batch_size=9", "8 images are fewer than a batch of 9"),
    ],
)
def test_bad_settings(trained, option, message):
    refuse(trained / "config.py", "--no-validate", "--cfg-options", option, match=message)


def test_checkpoint_of_another_model(trained, tmp_path):
    other = small_config(trained / "data", tmp_path / "other", train_cfg__max_epochs=1)
    train(other)
    with pytest.raises(
        ValueError, match=r"can't test this model from .*epoch_1.pth: .*It was written for another model"
    ):
        call("test.py", trained / "config.py", tmp_path / "other/epoch_1.pth", "--work-dir", tmp_path / "test")
    with pytest.raises(FileNotFoundError, match=r"no checkpoint '/none\.pth'"):
        call("test.py", trained / "config.py", "/none.pth")


@pytest.mark.parametrize("option", ["--resume", "--load-from"])
def test_file_that_is_no_checkpoint(trained, tmp_path, option):
    picture = tmp_path / "a.pth"
    picture.write_bytes(b"\xff\xd8\xff" * 100)
    common = ["--no-validate", option]
    refuse(trained / "config.py", *common, picture, match=r"a\.pth' \(300 bytes\) is no (whole PyTorch|weight file)")
    missing = r"no checkpoint '/none\.pth'"
    refuse(trained / "config.py", *common, "/none.pth", error=FileNotFoundError, match=missing)
    assert not (trained / "refused").exists()


def test_print_config(trained, capsys):
    call("misc/print_config.py", trained / "config.py", "--cfg-options", "model.mask_ratio=0.6")
    printed = capsys.readouterr().out
    assert "mask_ratio=0.6" in printed
    assert "WarmupCosineLR" in printed
