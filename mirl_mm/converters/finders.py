"""Objects in YOLO's and Pascal VOC's format, found in a folder (``mirl_mm.discovery``) and converted to COCO's."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mirl_mm.datasets.coco_reader import read_annotations
from mirl_mm.datasets.directory_scan import find_files, read_folder
from mirl_mm.datasets.image_folder import EXTENSIONS
from mirl_mm.datasets.text_files import TextError, read_yaml
from mirl_mm.discovery import Annotated, Found, Request, found_in_coco, nothing_found
from mirl_mm.discovery.splits import NAMES, split_folders
from mirl_mm.registry import OBJECT_FINDERS
from mirl_mm.text import short_path

from .summary import Converted
from .voc import read_voc, voc_to_coco
from .yolo import yolo_to_coco
from .yolo_layout import find_layout, label_path, splits_there

YOLO_LAYOUT = "YOLO: data.yaml (names and train, val, test), or classes.txt, images/ and labels/"
VOC_LAYOUT = (
    "Pascal VOC: Annotations/*.xml, JPEGImages/ and maybe ImageSets/Main/train.txt, val.txt; or *.xml beside the "
    "images, in train/ and valid/ or in one folder"
)
_XML_FOLDERS = ("Annotations", "annotations", "labels", "xml", "")
_IMAGE_FOLDERS = ("JPEGImages", "images", "")


@OBJECT_FINDERS.register_module()
def find_yolo(request: Request) -> Found:
    """YOLO's text files, converted into ``request.out_dir``.

    Raises:
        NothingFoundError: If there are none.
        AnnotationError: If one can't be converted.
    """
    root = request.root
    source = _yolo_source(root, request.names)
    if source is None:
        raise nothing_found(root, "objects in YOLO's format", [YOLO_LAYOUT])
    there = splits_there(source) if source.is_file() else []
    made = yolo_to_coco(source, request.out_dir, there, request.names, overwrite=True)
    base = next(iter(made.values())).root
    files = {name: _annotated(each) for name, each in made.items()}
    if "train" not in files:
        files["train"] = files.pop("all" if "all" in files else next(iter(files)))
    notes = [f"YOLO's text files converted to COCO's format in '{short_path(request.out_dir)}'"]
    notes += dict.fromkeys(note for each in made.values() for note in each.notes)
    return found_in_coco("YOLO labels", files, request.below(os.path.relpath(base, root)), notes)


@OBJECT_FINDERS.register_module()
def find_voc(request: Request) -> Found:
    """Pascal VOC's XML files, converted into ``request.out_dir``.

    Raises:
        NothingFoundError: If there are none.
        AnnotationError: If one can't be converted.
    """
    root, out_dir = request.root, request.out_dir
    inner = [entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    if len(inner) == 1 and not _voc_places(root):
        return find_voc(request.below(inner[0].name))
    places = _voc_places(root)
    if not places:
        raise nothing_found(root, "objects in Pascal VOC's format", [VOC_LAYOUT])
    classes = request.names or sorted({item.name for place in places.values() for item in place.objects()})
    files, notes = {}, [f"Pascal VOC's XML files converted to COCO's format in '{short_path(request.out_dir)}'"]
    zero_based = any(min(item.box[:2]) < 1 for place in places.values() for item in place.objects())
    if zero_based:
        notes.append("boxes that begin at 0 show that edges are counted from 0, not pixels from 1 as VOC has it")
    for name, place in places.items():
        own_dir = out_dir / name if name in NAMES else out_dir
        convert = partial(voc_to_coco, place.root, own_dir, classes=classes, zero_based=zero_based, overwrite=True)
        made = convert(annotations=place.xml, images=place.images, lists=place.lists, splits=place.splits)
        prefix = request.relative(place.root)
        for split, each in made.items():
            files[name if split == "all" else split] = _annotated(each)._replace(prefix=prefix)
    if "train" not in files:
        files["train"] = files.pop("trainval" if "trainval" in files else "all")
    return found_in_coco("Pascal VOC annotations", files, request, notes)


class _Place(NamedTuple):
    """XML files and their images, of one split or of several that lists name."""

    root: Path
    xml: str
    images: str
    lists: str = "ImageSets/Main"
    splits: tuple[str, ...] = ()

    def objects(self) -> list:
        """Of all files."""
        return [item for path in find_files(self.root / self.xml, [".xml"]) for item in read_voc(path).objects]


def _voc_places(root: Path) -> Mapping[str, _Place]:
    """By split; ``all`` where there is but one."""
    for folders in (split_folders(root), {"all": root}):
        places = {name: place for name, folder in folders.items() if (place := _voc_place(folder)) is not None}
        if places.keys() & {"train", "all"}:
            return places
    return {}


def _voc_place(folder: Path) -> _Place | None:
    xml = next((name for name in _XML_FOLDERS if _has(folder / name, (".xml",))), None)
    images = next((name for name in _IMAGE_FOLDERS if _has(folder / name, EXTENSIONS)), None)
    if xml is None or images is None:
        return None
    listed = {path.stem for path in (folder / "ImageSets/Main").glob("*.txt")}
    named: tuple[str, ...] = tuple(name for name in ("train", "val", "test") if name in listed)
    if "train" not in named:
        named = ("trainval",) if "trainval" in listed else ()
    return _Place(folder, xml or ".", images or ".", splits=named)


def _has(folder: Path, endings: tuple[str, ...]) -> bool:
    return folder.is_dir() and any(name.lower().endswith(endings) for name in read_folder(folder)[0])


def _yolo_source(root: Path, names: Sequence[str]) -> Path | None:
    files, _ = read_folder(root)
    tables = [root / name for name in files if name.endswith((".yaml", ".yml"))]
    for path in sorted(tables, key=lambda path: path.name != "data.yaml"):
        try:
            content = read_yaml(path)
        except TextError:
            continue
        if isinstance(content, dict) and "names" in content and any(name in content for name in NAMES):
            return path
    try:
        splits = find_layout(root, names).splits.values()
    except (FileNotFoundError, ValueError):  # no classes, or no images
        return None
    return root if any(label_path(image).is_file() for split in splits for image in split.images) else None


def _annotated(made: Converted) -> Annotated:
    return Annotated(made.path, read_annotations(str(made.path)), "")
