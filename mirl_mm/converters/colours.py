"""Colour-coded label images: each class is painted in a colour of its own."""

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ImageColor

from mirl_mm.datasets.decode import open_upright
from mirl_mm.datasets.directory_scan import find_files
from mirl_mm.datasets.image_folder import EXTENSIONS
from mirl_mm.datasets.seg_maps import IGNORED
from mirl_mm.datasets.text_files import read_text
from mirl_mm.errors import CorruptImageError
from mirl_mm.outputs import source_of
from mirl_mm.text import counted, shortlist

from .coco_builder import AnnotationError
from .seg_maps import MadeSegMaps, Recipe, check_classes, make_seg_maps

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
    targets = [(out_dir / path.relative_to(source)).with_suffix(".png") for path in paths]
    recipes = [Recipe(target, source_of(path), path) for target, path in zip(targets, paths, strict=True)]
    paint = partial(_paint, table=table, ignore=unknown == "ignore")
    name = "colours_to_masks"
    counts, numbers = make_seg_maps(name, recipes, paint, table.classes, out_dir, zero_based, workers, paths)
    found = f"{counted(sum(numbers), 'pixel')} in {counted(sum(number > 0 for number in numbers), 'image')}"
    notes = (f"unknown colours: {found} became no label",) if any(numbers) else ()
    return MadeSegMaps(out_dir, counts, table.palette, zero_based, notes)


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
        there = ", ".join(dict.fromkeys(meaning.values()))
        raise AnnotationError(f"'{path}' has no {missing[0]!r}, which is to mean no label; it has {there}")
    classes = [name for name in dict.fromkeys(meaning.values()) if name not in unlabelled]
    check_classes(classes, path, "Leave what is not of it a class, too: take it off --unlabelled")
    labels = {name: classes.index(name) if name in classes else IGNORED for name in meaning.values()}
    return ColourTable(str(path), tuple(classes), tuple((colour, labels[name]) for colour, name in meaning.items()))


def _paint(path: Path, table: ColourTable, ignore: bool) -> tuple[np.ndarray, int]:
    """An image's labels, and how many pixels have a colour that is not in the table."""
    try:
        pixels = np.asarray(open_upright(path).convert("RGB"))
    except (CorruptImageError, FileNotFoundError) as error:
        raise AnnotationError(str(error)) from error
    labels = _lookup(table)[_codes(pixels)]  # (H, W) int16
    unknown = labels == _NO_CLASS
    if unknown.any() and not ignore:
        found, counts = np.unique(pixels[unknown], axis=0, return_counts=True)
        colours = [f"{tuple(found[i].tolist())} ({counted(counts[i], 'pixel')})" for i in np.argsort(-counts)]
        hint = " JPEG files change colours: get the labels as PNG." if path.suffix.lower() in (".jpg", ".jpeg") else ""
        raise AnnotationError(
            f"'{path}' has colours that are not in '{table.path}': {shortlist(colours)}.{hint} Add them there, or take "
            "their pixels as unlabelled by unknown='ignore' (--unknown ignore)"
        )
    labels[unknown] = IGNORED
    return labels.astype(np.uint8), int(unknown.sum())


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
    numbers: Sequence[int] = ()
    name = parts[1:]
    if re.fullmatch(r"#[0-9a-fA-F]{6}", parts[0] if parts else ""):
        numbers = ImageColor.getrgb(parts[0])
    else:
        for digits, rest in ((parts[:3], parts[3:]), (parts[-3:], parts[:-3])):
            if not numbers and len(digits) == 3 and all(digit.isdecimal() for digit in digits):
                numbers, name = [int(digit) for digit in digits], rest
    if not name or not numbers or max(numbers) > 255:
        return None
    return (numbers[0], numbers[1], numbers[2]), " ".join(name)
