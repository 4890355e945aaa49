"""The data set: layouts, what it refuses, corrupt images."""

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import default_collate
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader
from torchvision import datasets as torchvision_datasets

from mirl_mm.datasets import CorruptImageError, ImageFolder, check_dataset_cfg, preflight
from mirl_mm.registry import DATASETS
from tests.datasets.conftest import smooth_image

PIPELINE = [{"type": "LoadImage"}, {"type": "RandomResizedCrop", "size": (32, 48)}, {"type": "PackInputs"}]


def names(dataset: ImageFolder) -> list[str]:
    return [dataset.get_data_info(index)["img_path"].rsplit("/train/")[-1] for index in range(len(dataset))]


def test_labelled_is_torchvisions_image_folder(labelled):
    ours = ImageFolder(str(labelled), "train", labelled=True)
    theirs = torchvision_datasets.ImageFolder(str(labelled / "train"))
    infos = [ours.get_data_info(index) for index in range(len(ours))]
    assert [(info["img_path"], info["gt_label"]) for info in infos] == theirs.samples
    assert ours.metainfo == {"classes": ("ant", "bee", "cat")}


def test_unlabelled_nested_and_flat(labelled):
    nested = ImageFolder(str(labelled), "train")
    assert len(nested) == 9
    assert nested.metainfo == {}
    assert "gt_label" not in nested.get_data_info(0)
    assert len(ImageFolder(str(labelled / "train" / "cat"))) == 4


def test_classes_fix_the_labels(labelled):
    dataset = ImageFolder(str(labelled), "train", labelled=True, classes=["cat", "dog", "bee", "ant"])
    assert [dataset.get_data_info(index)["gt_label"] for index in (0, 2, 8)] == [3, 2, 0]
    with pytest.raises(ValueError, match=r"'ant'.*none of the 2 classes"):
        ImageFolder(str(labelled), "train", labelled=True, classes=["bee", "cat"])


def test_lists(labelled):
    (labelled / "plain.txt").write_text("cat/3.jpg\n\nant/0.jpg\n")
    (labelled / "labels.txt").write_text("cat/3.jpg 7\nant/0.jpg 0\n")
    plain = ImageFolder(str(labelled), "train", list_file="plain.txt")
    assert names(plain) == ["cat/3.jpg", "ant/0.jpg"]
    dataset = ImageFolder(str(labelled), "train", labelled=True, list_file=str(labelled / "labels.txt"))
    assert names(dataset) == ["cat/3.jpg", "ant/0.jpg"]
    assert [dataset.get_data_info(index)["gt_label"] for index in (0, 1)] == [7, 0]


@pytest.mark.parametrize(
    ("content", "labelled_list", "message"),
    [
        ("", False, r"names no file. Write one path"),
        ("ant/0.jpg 1\nant/1.jpg\n", True, r"line 2: expected 'path label'.*got 'ant/1.jpg'"),
        ("ant/0.jpg -1\n", True, r"line 1.*integer from 0 on"),
        ("ant/0.jpg\nant/gone.jpg\n", False, r"names 'ant/gone.jpg'.*no such file"),
        ("ant/0.jpg 1\n", False, r"names 'ant/0.jpg 1'.*set labelled=True"),
    ],
)
def test_bad_lists(labelled, content, labelled_list, message):
    (labelled / "list.txt").write_text(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        ImageFolder(str(labelled), "train", labelled=labelled_list, list_file="list.txt")


@pytest.mark.parametrize("build", [ImageFolder, ImageFolder.preflight])
def test_missing_and_empty(labelled, build):
    with pytest.raises(FileNotFoundError, match=r"data_root '/no/such' is no folder.*--data-root "):
        build("/no/such", "train")
    with pytest.raises(FileNotFoundError, match=r"has no folder 'val' \(there are train\)"):
        build(str(labelled), "val")
    with pytest.raises(FileNotFoundError, match=r"list_file '.*list\.txt' is no file"):
        build(str(labelled), "train", list_file="list.txt")
    (labelled / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty' holds no files"):
        build(str(labelled), "empty")
    with pytest.raises(ValueError, match=r"no file that ends in \.gif; the endings found are \.jpg \(9\)"):
        build(str(labelled), "train", extensions=[".gif"])
    build(str(labelled), "train")


def test_labelled_without_class_folders(labelled):
    smooth_image().save(labelled / "train" / "stray.jpg")
    with pytest.raises(ValueError, match=r"one sub-folder per class.*'stray\.jpg' lies directly"):
        ImageFolder(str(labelled), "train", labelled=True)
    with pytest.raises(ValueError, match=r"one sub-folder per class"):
        ImageFolder(str(labelled), "train/ant", labelled=True)


def test_class_folder_without_images(labelled):
    (labelled / "train" / "bat").mkdir()
    with pytest.raises(ValueError, match=r"1 of the 4 class folders.*first is 'bat'"):
        ImageFolder(str(labelled), "train", labelled=True)


def test_preflight_looks_into_a_config(labelled):
    good = {"type": "ImageFolder", "data_root": str(labelled), "pipeline": PIPELINE, "labelled": True}
    preflight(ConfigDict(train_dataloader={"dataset": good}, val_dataloader=None, model={"type": "MIRL"}))
    bad = ConfigDict(train_dataloader={"dataset": good}, val_dataloader={"dataset": {**good, "split": "val"}})
    with pytest.raises(FileNotFoundError, match=r"^val_dataloader: .*no folder 'val'"):
        preflight(bad)
    with pytest.raises(FileNotFoundError, match=r"/no/such"):
        check_dataset_cfg({"type": "RepeatDataset", "dataset": {**good, "data_root": "/no/such"}})


def test_built_by_name_under_another_default_scope(labelled):
    with DefaultScope.overwrite_default_scope("mmengine"):
        dataset = DATASETS.build(
            {"type": "mirl_mm.ImageFolder", "data_root": str(labelled), "split": "train", "pipeline": PIPELINE}
        )
    assert dataset[0]["inputs"].shape == (3, 32, 48)


@pytest.fixture
def spoilt(labelled):
    """The labelled images, the third truncated, the fourth a text file."""
    broken = labelled / "train" / "bee" / "0.jpg"
    broken.write_bytes(broken.read_bytes()[:-400])
    (labelled / "train" / "bee" / "1.jpg").write_text("not an image")
    return labelled


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(("index", "name"), [(2, r"bee/0\.jpg"), (3, r"bee/1\.jpg")])
def test_corrupt_image_is_an_error_that_names_it(spoilt, workers, index, name):
    dataset = ImageFolder(str(spoilt), "train", pipeline=PIPELINE)
    loader = DataLoader(dataset, sampler=[index], num_workers=workers, collate_fn=default_collate)
    with pytest.raises(CorruptImageError, match=rf"{name}.*on_corrupt='skip'"):
        next(iter(loader))


@pytest.mark.parametrize("workers", [0, 2])
def test_corrupt_image_is_skipped_and_reported(spoilt, workers):
    dataset = ImageFolder(str(spoilt), "train", labelled=True, pipeline=PIPELINE, on_corrupt="skip")
    loader = DataLoader(dataset, batch_size=2, num_workers=workers, collate_fn=default_collate)
    samples = [sample for batch in loader for sample in batch["data_samples"]]
    assert len(samples) == 9
    skipped = {index: sample.skipped for index, sample in enumerate(samples) if "skipped" in sample}
    paths = [str(spoilt / "train" / "bee" / name) for name in ("0.jpg", "1.jpg")]
    assert skipped == {2: paths, 3: paths[1:]}
    assert samples[2].img_path == samples[3].img_path == str(spoilt / "train" / "bee" / "2.jpg")
    assert [sample.gt_label for sample in samples] == [0, 0, 1, 1, 1, 2, 2, 2, 2]


def test_skipping_gives_up(spoilt):
    dataset = ImageFolder(str(spoilt), "train", list_file=None, pipeline=PIPELINE, on_corrupt="skip")
    for file in (spoilt / "train").rglob("*.jpg"):
        file.write_bytes(b"")
    with pytest.raises(CorruptImageError, match=r"gave up: 9 images in a row.*right folder"):
        dataset[0]


def test_on_corrupt_must_be_known(labelled):
    with pytest.raises(ValueError, match="'error' or 'skip', got 'ignore'"):
        ImageFolder(str(labelled), on_corrupt="ignore")


def test_batch_is_uint8_and_contiguous(labelled):
    dataset = ImageFolder(str(labelled), "train", pipeline=PIPELINE)
    batch = default_collate([dataset[index] for index in range(3)])
    assert batch["inputs"].shape == (3, 3, 32, 48)
    assert batch["inputs"].dtype == torch.uint8
    assert batch["inputs"].is_contiguous()
    assert np.ptp(batch["inputs"].numpy()) > 100
