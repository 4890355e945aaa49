"""What the values of a data set's masks mean: seen in the masks, named by a file beside them."""

import csv
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mirl_mm.datasets.seg_maps import IGNORED, SegMapRules, read_seg_map
from mirl_mm.datasets.text_files import read_lines
from mirl_mm.file_backend import whole_file

from .found import NothingFoundError

#: Masks that are read; of more, so many, evenly spread. The others are checked as they are loaded.
_LOOKED_AT = 1000
_THREADS = 8
_NAMES = ("classes.txt", "labels.txt", "class_names.txt", "_classes.csv", "classes.csv")


class SegMapValues(NamedTuple):
    """What masks hold.

    Attributes:
        classes: Names in the order of labels.
        reduce_zero_label: Whether 0 is no label and the classes count from 1.
        binary: Whether the masks have 0 and 255 for two classes.
        note: For people.
    """

    classes: tuple[str, ...]
    reduce_zero_label: bool
    binary: bool
    note: str


def understand_values(masks: Sequence[Path], places: Sequence[Path], names: tuple[str, ...] = ()) -> SegMapValues:
    """Find out which values masks have, and what they are called.

    Args:
        masks: The masks.
        places: Folders in which a file of names may lie.
        names: Those that the user gives, in place of a file's.

    Raises:
        NothingFoundError: If they are coloured pictures, or have a value beyond the names that are given.
    """
    looked_at = masks[:: max(len(masks) // _LOOKED_AT, 1)]
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pool.map(lambda path: np.unique(read_seg_map(str(path))).tolist(), looked_at)
        values = {value for each in found for value in each}
    source = class_file(places)
    given = f"'{source}'" if source is not None and not names else "those given"
    if source is not None and not names:
        names = read_names(source)
    if values == {0, IGNORED} and len(names) <= 2:
        classes = names if len(names) == 2 else ("background", *names) if names else ("background", "foreground")
        return SegMapValues(classes, False, True, f"masks of two values, 0 is {classes[0]} and 255 is {classes[1]}")
    highest = max(values - {IGNORED}, default=0)
    if len(names) == 1 and highest == 1:  # alone it could not be told from anything
        names, given = ("background", *names), f"{given}, and background for 0"
    if not names:
        names = tuple(f"class {i}" for i in range(highest + 1))
        rules = SegMapRules(len(names))
        return SegMapValues(names, False, False, f"no classes.txt names the masks' values: {rules}")
    if highest > len(names):
        raise NothingFoundError(
            f"the masks have values up to {highest}, and {given} are {len(names)} names: complete it, or "
            "correct the masks"
        )
    rules = SegMapRules(len(names), reduce_zero_label=highest == len(names))
    return SegMapValues(names, rules.reduce_zero_label, False, f"names are {given}: {rules}")


def binary_masks(masks: Mapping[str, Path], out_dir: Path) -> None:
    """Write masks of 0 and 255 as 0 and 1, ``out_dir/<name>.png``."""

    def write(item: tuple[str, Path]) -> None:
        name, path = item
        with whole_file(out_dir / f"{name}.png") as partial:
            Image.fromarray((read_seg_map(str(path)) > 0).astype(np.uint8)).save(partial, "PNG")

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(write, masks.items()))


def class_file(places: Sequence[Path]) -> Path | None:
    """The file that names the classes, if one of the folders has it."""
    return next((place / name for place in places for name in _NAMES if (place / name).is_file()), None)


def read_names(path: Path) -> tuple[str, ...]:
    """Names in a file: one a line, or with its value before it, as ``_classes.csv`` has it after a line of titles."""
    lines = read_lines(path)
    if path.suffix != ".csv":
        return tuple(lines)
    rows = [[field.strip() for field in row] for row in csv.reader(lines)]
    named = {int(row[0]): row[1] for row in rows if len(row) == 2 and row[0].isdecimal()}
    return tuple(named.get(i, f"class {i}") for i in range(max(named, default=-1) + 1))
