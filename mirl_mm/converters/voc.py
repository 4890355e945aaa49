"""Pascal VOC: an XML file for each image, lists of images for the splits."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple
from xml.etree import ElementTree

from mirl_mm.datasets.directory_scan import find_files
from mirl_mm.datasets.image_folder import EXTENSIONS
from mirl_mm.datasets.text_files import read_lines, read_xml
from mirl_mm.outputs import check_json
from mirl_mm.progress import progress
from mirl_mm.text import counted

from .coco_builder import AnnotationError, Box, CocoBuilder, Problems, relative_name, size_of, stem_of
from .summary import Converted

DIFFICULT = ("ignore", "keep", "drop")
_NUMBER = re.compile(r"\s+-?[01]$")
_ENDING = re.compile(rf"({'|'.join(map(re.escape, EXTENSIONS))}|\.xml)$", re.IGNORECASE)


class VocObject(NamedTuple):
    """An object of an XML file: its class, (xmin, ymin, xmax, ymax) as it is written, and whether it is difficult."""

    name: str
    box: Box
    difficult: bool


class VocFile(NamedTuple):
    """What an XML file says.

    Attributes:
        path: The file.
        image_name: The image's file name; empty if it isn't given.
        size: (H, W); None if it isn't given.
        objects: In the order of the file.
    """

    path: Path
    image_name: str
    size: tuple[int, int] | None
    objects: list[VocObject]


def voc_to_coco(
    root: str | Path,
    out_dir: str | Path | None = None,
    splits: Sequence[str] = (),
    classes: Sequence[str] = (),
    annotations: str = "Annotations",
    images: str = "JPEGImages",
    lists: str = "ImageSets/Main",
    difficult: str = "ignore",
    zero_based: bool = False,
    on_error: str = "stop",
    overwrite: bool = False,
) -> dict[str, Converted]:
    """Convert boxes in Pascal VOC's format; every split's file is written as ``out_dir/<split>.json``.

    VOC numbers pixels from 1 and means the last pixel to be inside: ``xmin=1, xmax=10`` are ten columns, x 0 to 10 in
    COCO. Difficult objects become ``iscrowd``: the one mark under which COCO's evaluation counts an object neither as
    found nor as missed, as VOC's does, and which keeps mmdet from training on it as background. (``ignore`` in the file
    would be overwritten by pycocotools.)

    Args:
        root: The data set's folder, e.g. ``VOCdevkit/VOC2012``.
        out_dir: Default: ``root/annotations``.
        splits: Names of lists, such as ``train``. Default: one split, ``all``, of every XML file.
        classes: Names in the order of their labels. Default: all names in the XML files, whatever split, by alphabet.
        annotations: Folder of the XML files, relative to ``root``; sub-folders count.
        images: Folder of the images, relative to ``root``.
        lists: Folder of the lists, relative to ``root``. A line is an image's name, with or without ending; a number
            behind it, as in VOC's lists of a class, does not count.
        difficult: ``"ignore"``, ``"keep"`` as ordinary objects, or ``"drop"``.
        zero_based: Boxes are written as edges counted from 0, as some tools do, in place of VOC's way.
        on_error: ``"stop"`` at what can't be converted, or ``"skip"`` it.
        overwrite: Replace files of these names, whatever made them.

    Raises:
        FileNotFoundError: If a folder or list is missing.
        OutputError: If a file is there that is not of the same conversion.
        AnnotationError: For what can't be converted: a broken XML file, an image that is missing or of another size
            than its XML file says, a box outside the image, a class that is not among ``classes``.
        ValueError: For another word for ``difficult`` or ``on_error``.
    """
    if difficult not in DIFFICULT:
        raise ValueError(f"difficult must be one of {', '.join(DIFFICULT)}, got {difficult!r}")
    root = Path(root)
    out_dir = root / "annotations" if out_dir is None else Path(out_dir)
    folders = [root / annotations, root / images]
    for name, option in ((annotations, "annotations"), (images, "images")):
        if not (root / name).is_dir():
            raise FileNotFoundError(f"'{root}' has no folder '{name}': name the right one by --{option}")
    problems = Problems(on_error)
    names = {split: _read_list(root / lists, split) for split in splits}
    for split in () if overwrite else names or ("all",):
        check_json(out_dir / f"{split}.json", f"{root.name}, {split}")
    files: dict[str, VocFile] = {}
    for path in progress(find_files(folders[0], [".xml"]), "reading XML files"):
        with problems.tolerated():
            files[stem_of(path, folders[0])] = read_voc(path)
    broken = tuple(problems.skipped)
    if not files:
        raise AnnotationError(f"'{folders[0]}' holds no XML file of VOC's kind: name their folder by --annotations")
    classes = classes or sorted({item.name for file in files.values() for item in file.objects})
    by_stem: dict[str, list[Path]] = {}
    for path in find_files(folders[1], EXTENSIONS):
        by_stem.setdefault(stem_of(path, folders[1]), []).append(path)
    done = {}
    for split, stems in (names or {"all": list(files)}).items():
        problems = Problems(on_error)
        if not names:
            problems.skipped += broken
        coco = CocoBuilder(classes, f"{root.name}, {split}")
        stems = [_stem(line, files) for line in stems]
        for stem in progress(stems, f"converting {split}"):
            with problems.tolerated():
                if stem not in files:
                    raise AnnotationError(f"'{folders[0] / stem}.xml', named in '{split}', is not there or broken")
                file = files[stem]
                image = _image(file, by_stem.get(stem, ()), folders[1])
                size = size_of(image)
                if file.size and file.size != size:
                    raise AnnotationError(
                        f"'{file.path}' was made for an image {file.size[1]} wide and {file.size[0]} high, but "
                        f"'{image}' is {size[1]} wide and {size[0]} high: one of them was resized, turned or mixed up"
                    )
                coco.add_image(relative_name(image, root), size)
                first = 0 if zero_based else 1
                for item in file.objects:
                    if item.difficult and difficult == "drop":
                        continue
                    with problems.tolerated(f"'{file.path}': {item.name}"):
                        if item.name not in coco.classes:
                            raise AnnotationError(f"the class '{item.name}' is not among {', '.join(coco.classes)}")
                        box = (item.box[0] - first, item.box[1] - first, item.box[2], item.box[3])
                        ignored = item.difficult and difficult == "ignore"
                        coco.add_box(coco.classes.index(item.name), box, ignored)
        path = out_dir / f"{split}.json"
        boxes = [item.box for stem in stems if stem in files for item in files[stem].objects]
        notes: tuple[str, ...] = ()
        before = sum(min(box[:2]) < 1 for box in boxes)
        if before and not zero_based:  # which they can't if pixels are numbered from 1
            found = f"before pixel 1 begin {counted(before, 'box', 'boxes')}"
            notes = (f"{found}: if these files count edges from 0, convert with --zero-based",)
        done[split] = Converted(root, path, coco, problems.skipped, coco.write(path), notes)
    return done


def read_voc(path: Path) -> VocFile:
    """Read an XML file.

    Raises:
        TextError: If it is no XML.
        AnnotationError: If it is of another kind.
    """
    tree = read_xml(path)
    if tree.tag != "annotation":
        raise AnnotationError(f"'{path}' is no VOC annotation: it holds <{tree.tag}> in place of <annotation>")
    size = tree.find("size")
    sides = [int(_number(path, size, side)) for side in ("height", "width")] if size is not None else [0, 0]
    objects = []
    for element in tree.findall("object"):
        name, box = (element.findtext("name") or "").strip(), element.find("bndbox")
        if not name or box is None:
            raise AnnotationError(f"'{path}' has an <object> without <{'bndbox' if name else 'name'}>")
        x1, y1, x2, y2 = (_number(path, box, side) for side in ("xmin", "ymin", "xmax", "ymax"))
        objects.append(VocObject(name, (x1, y1, x2, y2), (element.findtext("difficult") or "0").strip() == "1"))
    image = PureWindowsPath((tree.findtext("filename") or "").strip()).name  # some tools write a path, of any system
    return VocFile(path, image, (sides[0], sides[1]) if all(sides) else None, objects)


def _number(path: Path, element: ElementTree.Element, name: str) -> float:
    text = element.findtext(name)
    try:
        return float(text or "")
    except ValueError:
        raise AnnotationError(f"'{path}' has no number as <{name}> in <{element.tag}>, but {text!r}") from None


def _read_list(folder: Path, split: str) -> list[str]:
    path = folder / f"{split}.txt"
    if not path.is_file():
        there = find_files(folder, [".txt"]) if folder.is_dir() else []
        present = ", ".join(file.stem for file in there[:10]) or "none"
        raise FileNotFoundError(
            f"no list '{path}'; lists there: {present}. Name one of them by --splits, or their folder by --lists"
        )
    lines = read_lines(path, "surrogateescape")
    if not lines:
        raise AnnotationError(f"the list '{path}' names no image")
    return lines


def _stem(line: str, known: Collection[str]) -> str:
    """What a line of a list names: the first reading of it that is known."""
    whole = line.replace("\\", "/")
    unnumbered = _NUMBER.sub("", whole)
    readings = [whole, unnumbered, PurePosixPath(whole).name, PurePosixPath(unnumbered).name, whole.split()[0]]
    stems = [name for reading in readings for name in (reading, _ENDING.sub("", reading))]
    return next((name for name in stems if name in known), stems[3])


def _image(file: VocFile, candidates: Sequence[Path], folder: Path) -> Path:
    """A file's image: the one of the same name, else the one that the file names (tools often leave a stale name)."""
    named = [path for path in candidates if path.name == file.image_name]
    if len(candidates) == 1 or named:
        return (named or list(candidates))[0]
    if candidates:
        raise AnnotationError(
            f"'{file.path}' could belong to {', '.join(path.name for path in candidates)}: its <filename> must say to "
            "which"
        )
    if file.image_name and (folder / file.image_name).is_file():
        return folder / file.image_name
    raise AnnotationError(
        f"the image of '{file.path}' is missing: no '{file.path.stem}.jpg' (or .png ...) in '{folder}'"
    )
