"""A folder in which the names that the documentation's commands use exist: data sets, images, checkpoints.

A ``python`` fence whose first line is a comment with a path, such as ``# my/detect.py``, is that file.
"""

import json
import re
import shutil
from pathlib import Path

import numpy as np
from mmengine.config import Config
from PIL import Image
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

from mirl_mm.shapes import generate
from tests.docs.fences import fences
from tests.docs.small import CLASSES, shrink, write_checkpoint
from tests.training import ROOT, write_class_folders

_LISTED = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
COCO_NAMES = [name for name in _LISTED if name not in ("__background__", "N/A")]
#: Checkpoints whose path does not tell the config, which is below ``configs``.
CHECKPOINTS = {
    "epoch_100.pth": "cls/mirl_vits_in1k.py",
    "epoch_800.pth": "pretrain/mirl_vits54_in1k.py",
    "iter_160000.pth": "seg/mirl_vitb48_ade20k.py",
    "iter_184375.pth": "det/mirl_vitb48_coco.py",
    "pretrained/epoch_16.pth": "shapes/mirl_pretrain_shapes.py",
    "pretrained/epoch_4.pth": "shapes/mirl_pretrain_shapes.py",
    "work_dirs/detect/iter_300.pth": "../my/detect.py",
    "work_dirs/mae/epoch_800.pth": "pretrain/mae_tiny24_64px.py",
    "work_dirs/mirl/epoch_800.pth": "pretrain/mirl_tiny24_64px.py",
    "work_dirs/pretrain/epoch_6.pth": "../my/pretrain.py",
    "work_dirs/x/epoch_60.pth": "cls/mirl_vitb48_in1k.py",
    "work_dirs/x/epoch_800.pth": "pretrain/mirl_vitb48_in1k.py",
}


def make_workspace(folder: Path) -> Path:
    """Fill an empty folder with all but the checkpoints, which ``provide`` makes when they are asked for."""
    shutil.copytree(ROOT / "configs", folder / "configs")
    (folder / "tools").symlink_to(ROOT / "tools")
    for task, name in (("det", "coco"), ("seg", "ade20k")):
        shutil.copy(folder / f"configs/{task}/custom_{name}.py", folder / f"configs/{task}/my_{name}.py")
    _image_folders(folder)
    shapes = generate(folder / "generated", num_train=6, num_val=4, size=(64, 64), layouts=("coco", "ade"), workers=1)
    _coco(folder, shapes / "coco")
    _masks(folder, shapes / "ade")
    _other_annotations(folder)
    for fence in fences("python"):
        if named := re.match(r"# (\w+/\w+\.py)\n", fence.text):
            (folder / named[1]).parent.mkdir(exist_ok=True)
            (folder / named[1]).write_text(fence.text)
    (folder / "new").symlink_to("photos")
    for run in ("a", "b", "pretrain/mirl_vits54_in1k", "x"):
        _log(folder / "work_dirs" / run)
    (folder / "work_dirs/pretrain/mirl_vits54_in1k/mirl_vits54_in1k.py").write_text("")
    return folder


def provide(folder: Path, name: str, config: str | None = None) -> None:
    """Make the checkpoint of this name, if it is one and is not there yet.

    Args:
        folder: The workspace.
        name: A word of a command.
        config: Whose model ``CHECKPOINT`` has, below ``configs``.
    """
    path = folder / name
    if name == "CHECKPOINT" and config:
        path.unlink(missing_ok=True)
    if path.exists() or not (name == "CHECKPOINT" or name.endswith(".pth")):
        return
    found = re.fullmatch(r"work_dirs/(\w+/\w+)/\w+\.pth", name)
    of = CHECKPOINTS.get(name) or (config if name == "CHECKPOINT" else found and f"{found[1]}.py")
    if of and (folder / "configs" / of).is_file():
        write_checkpoint(shrink(Config.fromfile(folder / "configs" / of)), path)


def _image_folders(folder: Path) -> None:
    names = [f"class{i:02d}" for i in range(CLASSES)]
    write_class_folders(folder / "FOLDER", train=3 * CLASSES, val=CLASSES, classes=names)
    (folder / "data").mkdir()
    for name in ("data/imagenet", "tiny20", "photos1000", "my_photos", "flowers"):
        (folder / name).symlink_to(folder / "FOLDER")
    rng = np.random.default_rng(2)
    (folder / "photos").mkdir()
    for name in ("photos/a.jpg", "photos/b.jpg", "aerial.tif"):
        Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(folder / name)


def _coco(folder: Path, source: Path) -> None:
    """COCO's folders and classes in ``data/coco``; three classes in ``data/fruit``, as the example config has them."""
    shutil.copytree(source, folder / "data/coco")
    fruit = folder / "data/fruit"
    fruit.mkdir()
    (fruit / "images").mkdir()
    for split in ("train", "val"):
        path = folder / f"data/coco/annotations/instances_{split}2017.json"
        content = json.loads(path.read_text())
        for image in content["images"]:  # one folder of images: the splits' have the same names
            target = f"{split}_{image['file_name']}"
            shutil.copy(source / f"{split}2017" / image["file_name"], fruit / "images" / target)
        content["categories"] = [{"id": i, "name": name} for i, name in enumerate(COCO_NAMES, 1)]
        path.write_text(json.dumps(content))
        for image in content["images"]:
            image["file_name"] = f"{split}_{image['file_name']}"
        for each in content["annotations"]:
            each["category_id"] = (each["category_id"] - 1) % 3 + 1
        content["categories"] = [{"id": i, "name": name} for i, name in enumerate(("apple", "banana", "cherry"), 1)]
        (fruit / f"{split}.json").write_text(json.dumps(content))
    shutil.copy(folder / "data/coco/annotations/instances_train2017.json", folder)
    (folder / "fruit").symlink_to(fruit)


def _masks(folder: Path, source: Path) -> None:
    """ADE20K's layout in ``data/ade`` and ``data/camvid``; ``data/street`` as the example config has it."""
    # ADE20K has no file of names; the values are taken for its 150 classes.
    shutil.copytree(source, folder / "data/ade/ADEChallengeData2016", ignore=shutil.ignore_patterns("classes.txt"))
    (folder / "data/ade/annotations").symlink_to("ADEChallengeData2016/annotations")
    (folder / "data/camvid").symlink_to(folder / "data/ade/ADEChallengeData2016")
    names = [f"class {i}" for i in range(150)]
    (folder / "classes.txt").write_text("\n".join(names))
    for ours, theirs in (("train", "training"), ("val", "validation")):
        for kind in ("images", "masks"):
            (folder / "data/street" / ours / kind).mkdir(parents=True)
        for mask in (source / "annotations" / theirs).iterdir():
            values = np.asarray(Image.open(mask)) % 4
            Image.fromarray(values).save(folder / "data/street" / ours / "masks" / mask.name)
            image = (source / "images" / theirs / mask.name).with_suffix(".jpg")
            Image.open(image).save(folder / "data/street" / ours / "images" / mask.name)


def _other_annotations(folder: Path) -> None:
    """Pascal VOC, YOLO, instance masks and colour-coded labels: two images each."""
    pixels = np.full((40, 60, 3), 90, dtype=np.uint8)
    voc, yolo = folder / "VOCdevkit/VOC2012", folder / "data/mine"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (voc / name).mkdir(parents=True)
    for split in ("train", "val"):
        Image.fromarray(pixels).save(voc / f"JPEGImages/{split}.jpg")
        (voc / f"ImageSets/Main/{split}.txt").write_text(f"{split}\n")
        (voc / f"Annotations/{split}.xml").write_text(
            f"<annotation><filename>{split}.jpg</filename><size><width>60</width><height>40</height></size>"
            "<object><name>dog</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>30</xmax><ymax>30</ymax></bndbox></object>"
            "</annotation>"
        )
        for name in ("images", "labels"):
            (yolo / name / split).mkdir(parents=True)
        Image.fromarray(pixels).save(yolo / f"images/{split}/a.jpg")
        (yolo / f"labels/{split}/a.txt").write_text("0 0.5 0.5 0.2 0.3\n")
    (yolo / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [dog]\n")
    for name in ("PNGImages", "PedMasks", "labels"):
        (folder / name).mkdir()
    (folder / "label_colors.txt").write_text("90 90 90 road\n10 90 10 tree\n0 0 0 Void\n")
    for name in ("a", "b"):
        Image.fromarray(pixels).save(folder / f"labels/{name}.png")
        Image.fromarray(pixels).save(folder / f"PNGImages/{name}.png")
        Image.fromarray(np.eye(40, 60, dtype=np.uint8)).save(folder / f"PedMasks/{name}_mask.png")


def _log(run: Path) -> None:
    lines = [
        {"epoch": i, "iter": 10 * i, "step": 10 * i, "loss": 1 / i, "pair_1_6": 1 / i, "grad_norm": 0.1} for i in (1, 2)
    ]
    place = run / "20260101_000000/vis_data"
    place.mkdir(parents=True)
    (place / "scalars.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
