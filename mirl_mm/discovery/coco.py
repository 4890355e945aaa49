"""Annotation files in COCO's format: which there are, what they hold, and where their images lie."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mirl_mm.datasets.coco_reader import read_annotations
from mirl_mm.datasets.directory_scan import read_folder
from mirl_mm.file_backend import json_bytes, write_file
from mirl_mm.registry import OBJECT_FINDERS
from mirl_mm.text import short_path

from .found import Found, Request, Split, nothing_found
from .splits import held_out, split_of

COCO_LAYOUT = (
    "COCO: annotations/*.json (or *.json beside the images), with train and val in the files' or folders' names, as "
    "train/_annotations.coco.json"
)
#: Files of COCO's that speak of other things than objects.
_OTHER = ("captions", "keypoints", "panoptic", "stuff", "image_info")
_SPOT_CHECKS = 16


class Annotated(NamedTuple):
    """A split's annotation file.

    Attributes:
        path: The file.
        content: What is in it.
        prefix: Folder of its images, relative to the data set's.
    """

    path: Path
    content: Mapping[str, Any]
    prefix: str


@OBJECT_FINDERS.register_module()
def find_coco(request: Request) -> Found:
    """Annotation files in COCO's format, in the folder or one or two below it.

    Raises:
        NothingFoundError: If there is none, images are missing, or it can't be told which file is for training.
    """
    root = request.root
    tried: list[str] = []
    files: dict[str, Annotated] = {}
    unnamed: list[Annotated] = []
    paths = [path for pattern in ("*.json", "*/*.json", "*/annotations/*.json") for path in root.glob(pattern)]
    paths = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(root).parts)]
    for path in sorted(path for path in paths if not any(word in path.stem for word in _OTHER)):
        try:
            content = read_annotations(str(path))
        except ValueError:
            continue
        known = all("id" in each and "name" in each for each in content["categories"])
        if not known or not content["categories"] or "file_name" not in content["images"][0]:  # something else
            continue
        split = split_of(path.stem) or split_of(path.parent.name)
        prefix = _image_folder(request, path, content, split)
        if prefix is None:
            first = content["images"][0].get("file_name")
            tried.append(f"'{path}' is in COCO's format, but its images, such as '{first}', are in no folder here.")
        elif split is None:
            unnamed.append(Annotated(path, content, prefix))
        else:
            files.setdefault(split, Annotated(path, content, prefix))
    if "train" not in files and len(unnamed) == 1:
        files["train"] = unnamed[0]
    if "train" not in files:
        names = [str(each.path) for each in (*files.values(), *unnamed)]
        tried += [f"Of {', '.join(names)} it can't be told which is for training: name it train."] if names else []
        raise nothing_found(root, "objects in COCO's format", [COCO_LAYOUT], tried)
    return found_in_coco("COCO annotations", files, request)


def found_in_coco(what: str, files: Mapping[str, Annotated], request: Request, notes: Sequence[str] = ()) -> Found:
    """A data set of annotation files. Of one alone, a share of the images is held out, in two files that are written.

    Args:
        what: The layout's name.
        files: Those of ``train`` and maybe ``val`` and ``test``.
        request: Whose folder is the data set's.
        notes: What else is worth knowing.
    """
    root, notes = request.root, list(notes)
    evaluated = [name for name in ("val", "test") if name in files and files[name].content.get("annotations")]
    files = {name: files[name] for name in ("train", *evaluated)}
    if not evaluated:
        parts, note = held_out([None] * len(files["train"].content["images"]), request)
        notes.append(note)
        file = files["train"]
        images, annotations = file.content["images"], file.content.get("annotations") or []
        for name, numbers in parts.items() if len(parts) > 1 else ():  # files of their own, each with all categories
            chosen = [images[i] for i in numbers]
            ids = {image["id"] for image in chosen}
            kept = [each for each in annotations if each.get("image_id") in ids]
            content = {**file.content, "images": chosen, "annotations": kept}
            path = request.out_dir / f"{name}.json"
            write_file(path, json_bytes(content, separators=(",", ":")))
            files[name] = Annotated(path, content, file.prefix)
    splits = {}
    for name, file in files.items():
        settings = {
            "data_root": request.data_root,
            "ann_file": request.relative(file.path),
            "data_prefix": {"img": file.prefix},
        }
        splits[name] = Split(
            settings, len(file.content["images"]), f"'{short_path(file.path)}', images in '{root / file.prefix}'"
        )
    annotations = files["train"].content.get("annotations") or []
    masks = bool(annotations) and all(each.get("segmentation") for each in annotations)
    return Found(what, splits, class_names(files["train"].content), masks, notes)


def class_names(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The categories, without the one that some exports put over all others and that no object has."""
    used = {each["category_id"] for each in content.get("annotations") or []}
    parents = {each.get("supercategory") for each in content["categories"]}
    kept = [each for each in content["categories"] if each["id"] in used or each["name"] not in parents]
    return tuple(each["name"] for each in kept or content["categories"])


def _image_folder(request: Request, path: Path, content: Mapping[str, Any], split: str | None) -> str | None:
    """The folder of a file's images, relative to the root: the first of the likely ones that has them."""
    root, images = request.root, content["images"]
    some = [str(image.get("file_name")) for image in images[:: max(len(images) // _SPOT_CHECKS, 1)]]
    last = path.stem.rpartition("_")[2]  # train2017 of instances_train2017
    below = [root / name for name in read_folder(root)[1]]
    named = [entry for entry in below if split and split_of(entry.name) == split]
    likely = [path.parent, root / last, root / "images" / last]
    likely += [each for folder in named for each in (folder, folder / "images")]
    likely += [root / "images" / (split or ""), root / "images", root, path.parent / "images", *below]
    for folder in likely:
        if all((folder / name).is_file() for name in some):
            return request.relative(folder)
    return None
