"""Colour-coded label images: each class is painted in a colour of its own."""

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mirl_mm.datasets.class_counts import ClassCounts
from mirl_mm.datasets.decode import open_upright
from mirl_mm.datasets.image_folder import EXTENSIONS
from mirl_mm.datasets.seg_maps import IGNORED, LabelCounts, count_labels
from mirl_mm.datasets.text_files import read_text
from mirl_mm.datasets.walk import find_files
from mirl_mm.errors import CorruptImageError
from mirl_mm.outputs import Outputs, check_text, source_of
from mirl_mm.parallel import in_parallel
from mirl_mm.text import counted, shortlist

from .coco import AnnotationError
from .seg_maps import MadeSegMaps, SegMapWriter, check_classes, classes_text, write_classes

Colour = tuple[int, int, int]

UNKNOWN = ("error", "ignore")
_COLOURS = 2**24
_NO_CLASS = 256  # in the table; labels and IGNORED are below


class ColourTable(NamedTuple):
    """Which colour means what.

    Attributes:
        path: The file that says it.
        classes: Names, in the order of labels.
        colours: Each colour's label; 255 for those that mean no label.
    """

    path: str
    classes: tuple[str, ...]
    colours: tuple[tuple[Colour, int], ...]

    @property
    def palette(self) -> list[Colour]:
        """Each class's first colour."""
        first: dict[int, Colour] = {}
        for colour, label in self.colours:
            first.setdefault(label, colour)
        return [first[label] for label in range(len(self.classes))]


class _Converted(NamedTuple):
    counts: LabelCounts
    unknown: int


def colours_to_masks(
    source: str | Path,
    out_dir: str | Path,
    classes: str | Path,
    unlabelled: Sequence[str] = (),
    unknown: str = "error",
    zero_based: bool = False,
    workers: int | None = None,
) -> MadeSegMaps:
    """Convert colour-coded label images into segmentation maps, ``out_dir/<same path>.png``, and write ``classes.txt``.

    Args:
        source: Folder of the label images; sub-folders are kept. Palette pictures count by their colours, alpha is left
            out.
        out_dir: Folder of the masks.
        classes: File of the colours; see :func:`read_colours`.
        unlabelled: Names in that file that mean no label.
        unknown: ``"error"`` at a colour that isn't in the file, or ``"ignore"``: no label.
        zero_based: The first class is 0 and no label 255, in place of 1 and 0, as ADE20K has it.
        workers: Processes. Default: one for each CPU.

    Raises:
        FileNotFoundError: If folder or file is missing.
        AnnotationError: For a colour that isn't in the file, naming image, colour and number of pixels; two images for
            one mask; a broken image or line of the file.
        OutputError: If a mask would lie among the label images, or replace another file.
        ValueError: For another word for ``unknown``.
    """
    if unknown not in UNKNOWN:
        raise ValueError(f"unknown must be one of {', '.join(UNKNOWN)}, got {unknown!r}")
    source, out_dir = Path(source), Path(out_dir)
    if not source.is_dir():
        raise FileNotFoundError(f"no folder '{source}'")
    table = read_colours(classes, unlabelled)
    paths = find_files(source, EXTENSIONS)
    if not paths:
        raise AnnotationError(f"'{source}' holds no images ({', '.join(sorted(EXTENSIONS))})")
    pairs = [(path, (out_dir / path.relative_to(source)).with_suffix(".png")) for path in paths]
    _check_targets(pairs)
    check_text(out_dir / "classes.txt", classes_text(table.classes))
    Outputs("colours_to_masks", {target: source_of(path) for path, target in pairs}, paths, out_dir)
    convert = partial(
        _convert, table=table, ignore=unknown == "ignore", writer=SegMapWriter("colours_to_masks", zero_based)
    )
    counts, left_out, images = ClassCounts(table.classes), 0, 0
    for done in in_parallel(convert, pairs, "converting", workers):
        counts.add(done.counts)
        left_out += done.unknown
        images += done.unknown > 0
    write_classes(table.classes, out_dir)
    unknown = f"unknown colours: {counted(left_out, 'pixel')} in {counted(images, 'image')} became no label"
    return MadeSegMaps(out_dir, counts, table.palette, zero_based, (unknown,) if left_out else ())


def read_colours(path: str | Path, unlabelled: Sequence[str] = ()) -> ColourTable:
    """Read a file with a class on each line: ``128 64 128 road``, ``road,128,64,128`` or ``#804080 road``.

    Labels count in the order of the lines. A name with several lines is one class of several colours. Empty lines, and
    a first one without numbers (a table's head), are left out.

    Args:
        path: The file.
        unlabelled: Names that mean no label.

    Raises:
        FileNotFoundError: If there is no such file.
        AnnotationError: For a line without name or colour, a colour of two names, or a name that isn't there.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file '{path}' of classes and colours")
    meaning: dict[Colour, str] = {}
    lines = [(i, line.strip()) for i, line in enumerate(read_text(path).split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line]
    for position, (number, line) in enumerate(lines):
        parsed = _parse(line)
        if parsed is None:
            if position == 0 and not re.search(r"\d", line):
                continue
            raise AnnotationError(
                f"'{path}', line {number}: expected a colour and a name, such as '128 64 128 road', got {line!r}"
            )
        colour, name = parsed
        if meaning.setdefault(colour, name) != name:
            raise AnnotationError(f"'{path}', line {number}: {colour} is {meaning[colour]!r} already, not {name!r}")
    missing = [name for name in unlabelled if name not in meaning.values()]
    if missing:
        raise AnnotationError(f"'{path}' has no {missing[0]!r}, which is to mean no label; it has {_list(meaning)}")
    classes = [name for name in dict.fromkeys(meaning.values()) if name not in unlabelled]
    check_classes(classes, path, "Leave what is not of it a class, too: take it off --unlabelled")
    labels = {name: classes.index(name) if name in classes else IGNORED for name in meaning.values()}
    return ColourTable(str(path), tuple(classes), tuple((colour, labels[name]) for colour, name in meaning.items()))


def labels_of_colours(pixels: np.ndarray, table: ColourTable) -> np.ndarray:
    """``(H, W, 3)`` uint8 RGB -> ``(H, W)`` int16 labels; 255: no label, 256: a colour that isn't in the table."""
    return _lookup(table)[_codes(pixels)]


def _convert(pair: tuple[Path, Path], table: ColourTable, ignore: bool, writer: SegMapWriter) -> _Converted:
    path, target = pair
    try:
        pixels = np.asarray(open_upright(path).convert("RGB"))
    except (CorruptImageError, FileNotFoundError) as error:
        raise AnnotationError(str(error)) from error
    labels = labels_of_colours(pixels, table)
    unknown = labels == _NO_CLASS
    if unknown.any() and not ignore:
        raise _unknown_colours(pixels[unknown], path, table)
    labels[unknown] = IGNORED
    labels = labels.astype(np.uint8)
    writer.write(labels, target, source_of(path))
    return _Converted(count_labels(labels, len(table.classes)), int(unknown.sum()))


def _unknown_colours(pixels: np.ndarray, path: Path, table: ColourTable) -> AnnotationError:
    found, counts = np.unique(pixels, axis=0, return_counts=True)
    order = np.argsort(-counts)
    colours = [f"{tuple(found[i].tolist())} ({counted(counts[i], 'pixel')})" for i in order]
    hint = " JPEG files change colours: get the labels as PNG." if path.suffix.lower() in (".jpg", ".jpeg") else ""
    return AnnotationError(
        f"'{path}' has colours that are not in '{table.path}': {shortlist(colours)}.{hint} Add them there, or take "
        "their pixels as unlabelled by unknown='ignore' (--unknown ignore)"
    )


@lru_cache(maxsize=1)
def _lookup(table: ColourTable) -> np.ndarray:
    """``(2**24,)`` int16: the label of every colour."""
    labels = np.full(_COLOURS, _NO_CLASS, dtype=np.int16)
    colours = np.array([colour for colour, _ in table.colours], dtype=np.uint8)
    labels[_codes(colours)] = [label for _, label in table.colours]
    return labels


def _codes(pixels: np.ndarray) -> np.ndarray:
    wide = pixels.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _parse(line: str) -> tuple[Colour, str] | None:
    """A line's colour and name."""
    parts = [part for part in re.split(r"[\s,;]+", line) if part]
    if len(parts) > 1 and re.fullmatch(r"#[0-9a-fA-F]{6}", parts[0]):
        return _checked([int(parts[0][i : i + 2], 16) for i in (1, 3, 5)], parts[1:])
    for numbers, name in ((parts[:3], parts[3:]), (parts[-3:], parts[:-3])):
        if len(numbers) == 3 and all(number.isdecimal() for number in numbers):
            return _checked([int(number) for number in numbers], name)
    return None


def _checked(colour: list[int], name: list[str]) -> tuple[Colour, str] | None:
    if not name or max(colour) > 255:
        return None
    return (colour[0], colour[1], colour[2]), " ".join(name)


def _check_targets(pairs: Sequence[tuple[Path, Path]]) -> None:
    taken: dict[Path, Path] = {}
    for path, target in pairs:
        other = taken.setdefault(target, path)
        if other != path:
            raise AnnotationError(f"'{other}' and '{path}' would both become '{target}': rename one of them")


def _list(meaning: dict[Colour, str]) -> str:
    return ", ".join(dict.fromkeys(meaning.values()))
