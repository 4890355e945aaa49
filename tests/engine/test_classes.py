"""Data whose classes don't fit the classifier are refused before it trains or is tested."""

import re
import shutil
from pathlib import Path

import pytest

from tests.engine.test_ema import run_test
from tests.training import small_classifier, train, write_class_folders


@pytest.fixture
def data(tmp_path) -> Path:
    return write_class_folders(tmp_path / "data", 8, 4)


def refuse(cfg, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(cfg)
    assert not list(Path(cfg.work_dir).glob("*.pth"))


def test_wrong_number_of_classes(data, tmp_path):
    cfg = small_classifier(data, tmp_path / "run", model__head__num_classes=1000)
    refuse(
        cfg,
        r"train_dataloader: '.*train' has 2 classes \(cat, dog\), but the model's head has 1000: "
        r"set model\.head\.num_classes=2 \(by --cfg-options",
    )


def test_a_single_class_is_only_warned_of(tmp_path, capfd):
    data = write_class_folders(tmp_path / "one", 8, 4, classes=["photo"])
    train(small_classifier(data, tmp_path / "run", model__head__num_classes=1000, train_cfg__max_epochs=1))
    assert "all images are of ONE class, 'photo', of the head's 1000" in "".join(capfd.readouterr())


def test_folders_that_differ(data, tmp_path):
    (data / "val/dog").rename(data / "val/dingo")
    message = (
        r"val_dataloader has 2 classes, and train_dataloader has 2: it lacks 1: dog; 1 are new: dingo\. .*rename or add"
    )
    refuse(small_classifier(data, tmp_path / "run"), message)
    shutil.rmtree(data / "val/dingo")
    refuse(small_classifier(data, tmp_path / "run"), "val_dataloader has 1 class, and .* has 2: it lacks 1: dog")


def test_order_that_differs(data, tmp_path):
    cfg = small_classifier(data, tmp_path / "run")
    cfg.val_dataloader.dataset.classes = ["dog", "cat"]
    refuse(cfg, re.escape("their order differs, label 0 is 'dog' here and 'cat' there"))


@pytest.mark.parametrize("loader", ["train_dataloader", "val_dataloader"])
def test_unlabelled(data, tmp_path, loader):
    cfg = small_classifier(data, tmp_path / "run")
    cfg[loader].dataset.labelled = False
    refuse(cfg, rf"{loader}: the images in .* are unlabelled, .*set {loader}\.dataset\.labelled=True")


def test_list_with_a_label_too_many(data, tmp_path):
    (data / "list.txt").write_text("".join(f"cat/{i:03d}.png {label}\n" for i, label in ((0, 0), (2, 1), (4, 5))))
    cfg = small_classifier(data, tmp_path / "run", train_dataloader__batch_size=2)
    cfg.train_dataloader.dataset.list_file = "list.txt"
    refuse(cfg, r"train_dataloader: there is a label 5, but .* classes 0\.\.1: set model\.head\.num_classes=6")


def test_other_classes_than_those_of_the_checkpoint(data, tmp_path):
    cfg = small_classifier(data, tmp_path / "run", train_cfg__max_epochs=1)
    train(cfg)
    assert run_test(cfg, tmp_path / "run/epoch_1.pth").keys() == {"accuracy/top1", "ema/accuracy/top1"}
    for split in ("train", "val"):
        (data / split / "dog").rename(data / split / "ape")
    with pytest.raises(ValueError, match="test_dataloader has 2 classes, and the checkpoint has 2: it lacks 1: dog"):
        run_test(cfg, tmp_path / "run/epoch_1.pth")
    cfg.load_from, cfg.resume = str(tmp_path / "run/epoch_1.pth"), True
    with pytest.raises(ValueError, match="train_dataloader has 2 classes, and the checkpoint has 2"):
        train(cfg)
    cfg.load_from, cfg.resume, cfg.work_dir = str(tmp_path / "run/epoch_1.pth"), False, str(tmp_path / "other")
    train(cfg)  # a new task from old weights


def test_random_weights_are_named(data, tmp_path):
    def log(work_dir: Path) -> str:
        (path,) = work_dir.glob("*/*.log")
        return path.read_text()

    cfg = small_classifier(data, tmp_path / "scratch", train_cfg__max_epochs=1)
    train(cfg)
    assert "the backbone starts from RANDOM weights: give tools/train.py --pretrained" in log(tmp_path / "scratch")
    cfg = small_classifier(data, tmp_path / "tuned", train_cfg__max_epochs=1)
    checkpoint = str(tmp_path / "scratch/epoch_1.pth")
    cfg.model.backbone.init_cfg = {"type": "Pretrained", "checkpoint": checkpoint, "prefix": "backbone."}
    train(cfg)
    assert "RANDOM" not in log(tmp_path / "tuned")
