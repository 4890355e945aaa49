"""Our ADE20KDataset: seeded samples, any classes, messages."""

import shutil

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from PIL import Image

from mirl_mm.datasets import CorruptImageError, SeededIndex
from mirl_mm.registry import DATASETS
from mirl_mm.visualization.palette import class_colour
from tests.segmentation.small import small_segmentor

CLASSES = ("background", "circle", "crescent", "cross", "heart", "ring", "square", "star", "triangle")


def build(shapes, tmp_path, split: str = "train", **options):
    cfg = small_segmentor(shapes, tmp_path)[f"{split}_dataloader"].dataset.to_dict()
    with DefaultScope.overwrite_default_scope("mmseg"):
        return DATASETS.build({**cfg, **options})


@pytest.fixture
def copy(shapes, tmp_path):
    """A copy of the data that may be spoilt."""
    return shutil.copytree(shapes, tmp_path / "copy")


def spoil(root, values, number: int = 2) -> str:
    """Overwrite a training mask; its name."""
    path = root / f"annotations/training/{number:08d}.png"
    Image.fromarray(np.asarray(values, dtype=np.uint8)).save(path)
    return path.name


def test_a_draw_decides_the_augmentation(shapes, tmp_path):
    dataset = build(shapes, tmp_path)
    first, again, other = (dataset[SeededIndex(2, seed)] for seed in (5, 5, 6))
    for name in ("inputs", "mask"):
        pixels = [s["inputs"] if name == "inputs" else s["data_samples"].gt_sem_seg.data for s in (first, again, other)]
        assert np.array_equal(pixels[0], pixels[1])
        assert not (pixels[0].shape == pixels[2].shape and np.array_equal(pixels[0], pixels[2]))
    assert dataset[2]["data_samples"].img_path == first["data_samples"].img_path


def test_labels_are_the_files_values_reduced(shapes, tmp_path):
    dataset = build(shapes, tmp_path, "val")
    for i in range(len(dataset)):
        sample = dataset[i]["data_samples"]
        values = np.asarray(Image.open(sample.seg_map_path))
        assert values.min() >= 1
        assert np.array_equal(sample.gt_sem_seg.data[0], values - 1)


def test_classes_and_colours(shapes, tmp_path):
    assert build(shapes, tmp_path).metainfo["classes"] == CLASSES
    dataset = build(shapes, tmp_path, metainfo={"classes": "classes.txt"})  # of the data set's folder
    assert dataset.metainfo["classes"] == CLASSES and dataset.metainfo["label_map"] is None
    assert dataset.metainfo["palette"] == [list(class_colour(label)) for label in range(9)]
    colours = [[i, i, i] for i in range(9)]
    given = build(shapes, tmp_path, metainfo={"classes": CLASSES, "palette": colours})
    assert given.metainfo["palette"] == colours
    ade = DATASETS.get("mirl_mm.ADE20KDataset")(lazy_init=True).metainfo
    assert len(ade["classes"]) == len(ade["palette"]) == 150 and ade["palette"][0] == [120, 120, 120]


@pytest.mark.parametrize(
    ("metainfo", "message"),
    [
        ({"classes": CLASSES, "palette": [[0, 0, 0]]}, "metainfo.palette has 1 colours for 9 classes"),
        ({"classes": "names.txt"}, "classes is 'names.txt', neither a file with a name on each line nor"),
        ({"classes": (*CLASSES, "ring")}, "classes has 'ring' twice"),
        ({"classes": ()}, "classes names no class"),
    ],
)
def test_bad_classes(shapes, tmp_path, metainfo, message):
    with pytest.raises(ValueError, match=message):
        build(shapes, tmp_path, metainfo=metainfo)


def test_folders_are_checked_at_once(shapes):
    preflight = DATASETS.get("mirl_mm.ADE20KDataset").preflight
    folders = {"img_path": "images/training", "seg_map_path": "annotations/training"}
    preflight(str(shapes), folders)
    with pytest.raises(FileNotFoundError, match="data_root 'nowhere' is no folder"):
        preflight("nowhere", folders)
    with pytest.raises(FileNotFoundError, match=r"mask folder '.*/labels' is missing; in .* annotations, images"):
        preflight(str(shapes), {**folders, "seg_map_path": "labels"})
    with pytest.raises(ValueError, match="data_prefix has no seg_map_path"):
        preflight(str(shapes), {"img_path": "images/training"})
    preflight(str(shapes), {"img_path": "images/training"}, test_mode=True)


def test_images_of_another_ending(shapes, tmp_path):
    with pytest.raises(ValueError, match=r"has no image that ends in '.png'; endings found: .jpg \(6\)"):
        build(shapes, tmp_path, img_suffix=".png")


def test_endings_of_another_case_are_taken_others_counted(copy, tmp_path, capsys):
    images = copy / "images/training"
    (images / "00000002.jpg").rename(images / "00000002.JPG")
    (images / "00000003.jpg").rename(images / "00000003.webp")
    dataset = build(copy, tmp_path)
    names = [dataset.get_data_info(i)["img_path"].rpartition("/")[2] for i in range(len(dataset))]
    assert len(names) == 5 and "00000002.JPG" in names and dataset[names.index("00000002.JPG")]["inputs"].ndim == 3
    shown = " ".join(capsys.readouterr().out.split())
    assert "1 image of" in shown and "than img_suffix says: .webp (1)" in shown
    assert "1 mask of" in shown and "has no image; the first is" in shown


def test_linked_folders_and_leftovers_of_macos(copy, tmp_path):
    for kind, ending in (("images", "jpg"), ("annotations", "png")):
        (copy / kind / "training").rename(copy / f"moved_{kind}")
        (copy / kind / "training").mkdir()
        (copy / kind / "training/a").symlink_to(copy / f"moved_{kind}")
        (copy / kind / f"training/._a.{ending}").touch()
    assert len(build(copy, tmp_path)) == 6


def test_one_class_is_refused_before_anything_is_built(shapes, tmp_path):
    folders = {"img_path": "images/training", "seg_map_path": "annotations/training"}
    preflight = DATASETS.get("mirl_mm.ADE20KDataset").preflight
    message = r"one class, 'cat', .* loss and gradient would be 0.*classes=\('background', 'cat'\)"
    with pytest.raises(ValueError, match=message):
        preflight(str(shapes), folders, metainfo={"classes": ("cat",)})
    with pytest.raises(ValueError, match=message):
        build(shapes, tmp_path, metainfo={"classes": ("cat",)})


def test_a_photo_that_is_stored_turned(copy, tmp_path):
    path = copy / "images/training/00000002.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 48)).save(path, exif=exif)
    spoil(copy, np.ones((64, 48)))
    assert build(copy, tmp_path)[2]["inputs"].ndim == 3
    spoil(copy, np.ones((48, 64)))
    with pytest.raises(ValueError, match="as its EXIF orientation turns it"):
        build(copy, tmp_path)


def test_a_list_with_a_mark_and_spaces(copy, tmp_path):
    for kind, ending in (("images", "jpg"), ("annotations", "png")):
        (copy / kind / f"training/00000003.{ending}").rename(copy / kind / f"training/photo (1).{ending}")
    (copy / "some.txt").write_text("photo (1)\r\n00000001\r\n", encoding="utf-8-sig")
    assert len(build(copy, tmp_path, ann_file="some.txt")) == 2


def test_images_without_masks(copy, tmp_path):
    (copy / "annotations/training/00000002.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 6 images have no mask. The first is '.*00000002.jpg'"):
        build(copy, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"6 of 6 images have no mask.* set seg_map_suffix"):
        build(copy, tmp_path, seg_map_suffix="_mask.png")


def test_a_list_names_the_images_to_take(copy, tmp_path):
    (copy / "some.txt").write_text("00000003\n00000001\n")
    dataset = build(copy, tmp_path, ann_file="some.txt")
    names = [dataset.get_data_info(i)["img_path"].rpartition("/")[2] for i in range(len(dataset))]
    assert names == ["00000003.jpg", "00000001.jpg"]
    (copy / "some.txt").write_text("00000003\n00000001.jpg\n")
    with pytest.raises(FileNotFoundError, match=r"1 of 2 images of the list .*names without folder and ending"):
        build(copy, tmp_path, ann_file="some.txt")


def test_a_value_outside_of_the_classes(copy, tmp_path):
    mask = np.ones((64, 64))
    mask[:2, :5] = 11
    name = spoil(copy, mask)
    with pytest.raises(ValueError, match=rf"{name}' has the value 11 \(10 pixels\), outside of the classes: the 9 cl"):
        build(copy, tmp_path)


def test_masks_of_another_size(copy, tmp_path):
    name = spoil(copy, np.ones((64, 60)))
    with pytest.raises(ValueError, match=rf"{name}' has 64 x 60 pixels \(rows x columns\), its image .* 64 x 64"):
        build(copy, tmp_path)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.full((64, 64), 10), ValueError, r"has the value 10 \(4,096 pixels\), outside of the classes"),
        (np.ones((32, 64)), ValueError, r"has 32 x 64 pixels"),
        (np.ones((64, 64, 3)), ValueError, "is a picture of mode RGB, and a mask has one value for each pixel"),
        (None, CorruptImageError, "cannot read mask"),
    ],
)
def test_what_was_not_looked_at_is_refused_when_it_is_loaded(copy, tmp_path, split, values, error, message):
    folder = "training" if split == "train" else "validation"
    dataset = build(copy, tmp_path, split)
    path = copy / f"annotations/{folder}/00000001.png"
    if values is None:
        path.write_bytes(b"nothing")
    else:
        Image.fromarray(values.astype(np.uint8)).save(path)
    with pytest.raises(error, match=rf"mask '.*00000001.png'.*{message}" if values is not None else message):
        dataset[1]


def test_no_labels_at_all(copy, tmp_path, capsys):
    spoil(copy, np.zeros((64, 64)))
    assert len(build(copy, tmp_path)) == 6
    assert "1 of 6 masks looked at have no labelled pixel" in capsys.readouterr().out
    for i in range(6):
        spoil(copy, np.full((64, 64), 255), i)
    with pytest.raises(ValueError, match=r"6 of 6 masks looked at have no labelled pixel .* Nothing can be learnt"):
        build(copy, tmp_path)


def test_another_ignore_value(copy, tmp_path):
    mask = np.ones((64, 64))
    mask[:8] = 99
    spoil(copy, mask)
    dataset = build(copy, tmp_path, "train", ignore_index=99, pipeline=[{"type": "mirl_mm.LoadAnnotations"}])
    labels = dataset[2]["gt_seg_map"]
    assert (labels[:8] == 255).all() and (labels[8:] == 0).all()


def test_images_alone_can_be_predicted(shapes, tmp_path):
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "PackSegInputs"}]
    folders = {"img_path": "images/validation"}
    dataset = build(shapes, tmp_path, "val", data_prefix=folders, pipeline=pipeline)
    assert "gt_sem_seg" not in dataset[0]["data_samples"]
