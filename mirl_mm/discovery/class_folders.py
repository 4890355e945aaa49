"""Images for pre-training, and folders of classes."""

import os
from pathlib import Path

from mirl_mm.datasets.checks import has_image, no_images
from mirl_mm.datasets.directory_scan import read_folder
from mirl_mm.datasets.file_lists import list_images
from mirl_mm.datasets.image_folder import EXTENSIONS
from mirl_mm.file_backend import write_file
from mirl_mm.text import short_path

from .found import Found, Request, Split, nothing_found
from .splits import NAMES, held_out, split_folders

CLASS_LAYOUTS = (
    "a folder for each class: <class>/*.jpg",
    "the same in splits: train/<class>/*.jpg, val/<class>/*.jpg (or valid, validation, test)",
)
#: Folders beside images that hold no photographs.
_LABELS = ("masks", "labels", "annotations", "Annotations", "SegmentationClass")

_OTHERS = {"images", "JPEGImages", *NAMES, *_LABELS}


def find_images(request: Request) -> Found:
    """Images without labels: in the folders of splits where there are any, else all below the folder.

    Raises:
        ValueError: If there are none.
    """
    root = request.root
    folders = {split: _photos(folder) for split, folder in split_folders(_photos(root)).items()}
    if "train" not in folders or not _count(folders["train"]):
        folders = {"train": _photos(root)}
    counts = {split: _count(folder) for split, folder in folders.items()}
    if not counts["train"]:
        raise no_images(str(root), EXTENSIONS)
    splits = {}
    for split, folder in folders.items():
        if counts[split]:
            below = folder.relative_to(root).as_posix()
            settings = {"data_root": request.data_root, "split": "" if below == "." else below}
            splits[split] = Split(settings, counts[split], f"'{folder}'")
    notes = [] if "val" in splits else ["there is no validation split: all images are trained on"]
    return Found("images", splits, notes=notes)


def find_class_folders(request: Request) -> Found:
    """A folder for each class, in splits or not; without a validation split, a share of each class is held out.

    Raises:
        NothingFoundError: If there are not at least two class folders.
    """
    root = request.root
    folders = split_folders(root)
    if "train" not in folders:
        _, inner = read_folder(root)
        if len(inner) == 1 and len(class_folders_of(root)) < 2:  # that archives often are unpacked to
            return find_class_folders(request.below(inner[0]))
        folders = {"train": root}
    classes = class_folders_of(folders["train"])
    loose = [name for name in read_folder(folders["train"])[0] if name.lower().endswith(EXTENSIONS)]
    if len(classes) < 2 or loose or _OTHERS.issuperset(classes):
        tried = [f"'{folders['train']}' has images outside of class folders, such as '{loose[0]}'."] if loose else []
        raise nothing_found(root, "images in class folders", CLASS_LAYOUTS, tried)
    evaluated = {name: folders[name] for name in ("val", "test") if name in folders and class_folders_of(folders[name])}
    splits = {}
    if not evaluated:
        train = folders["train"]
        images = list(list_images(str(train), EXTENSIONS))
        labels = [classes.index(image.split(os.sep, 1)[0]) for image in images]
        parts, note = held_out(labels, request)
        below = train.relative_to(root).as_posix()
        common = {"data_root": request.data_root, "split": "" if below == "." else below, "classes": classes}
        for name, numbers in parts.items():
            path = request.out_dir / f"{name}.txt"
            write_file(path, "".join(f"{images[i]} {labels[i]}\n" for i in numbers))
            shown = f"'{train}', listed in '{short_path(path)}'"
            splits[name] = Split({**common, "list_file": str(path)}, len(numbers), shown)
        return Found("class folders", splits, classes, notes=[note])
    for name, folder in (("train", folders["train"]), *evaluated.items()):
        settings = {"data_root": request.data_root, "split": folder.name, "list_file": None, "classes": classes}
        splits[name] = Split(settings, _count(folder), f"'{folder}'")
    return Found("class folders", splits, classes)


def class_folders_of(folder: Path) -> tuple[str, ...]:
    """Sub-folders with images, sorted: the classes of ``ImageFolder``."""
    return tuple(name for name in read_folder(folder)[1] if has_image(folder / name, EXTENSIONS))


def _photos(folder: Path) -> Path:
    """Where photographs lie in a folder that has labels as pictures or files, too."""
    for name in ("images", "JPEGImages"):
        if (folder / name).is_dir() and (name == "JPEGImages" or any((folder / each).is_dir() for each in _LABELS)):
            return folder / name
    return folder


def _count(folder: Path) -> int:
    return len(list_images(str(folder), EXTENSIONS)) if folder.is_dir() else 0
