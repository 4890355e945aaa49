"""What conversions into segmentation maps share: what values mean, files, and what has been made."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from mirl_mm.datasets.class_counts import ClassCounts
from mirl_mm.datasets.seg_maps import IGNORED, LabelCounts, count_labels
from mirl_mm.file_backend import write_file
from mirl_mm.outputs import Outputs, check_text, put_png
from mirl_mm.parallel import in_parallel
from mirl_mm.text import counted, short_path

from .coco_builder import AnnotationError

MOST_CLASSES = IGNORED - 1  # so that 255 remains for no label, also where classes count from 1


class MadeSegMaps(NamedTuple):
    """A conversion's outcome.

    Attributes:
        out_dir: Folder of the masks, with ``classes.txt``.
        counts: Pixels and masks of each class.
        palette: RGB of each class; empty if there are none.
        zero_based: Whether the first class is 0, else 1.
        notes: What else is worth knowing.
    """

    out_dir: Path
    counts: ClassCounts
    palette: Sequence[tuple[int, int, int]]
    zero_based: bool
    notes: tuple[str, ...] = ()


class Recipe(NamedTuple):
    """What a segmentation map is made of.

    Attributes:
        target: The map's file.
        source: What tells it from other recipes: see :func:`mirl_mm.outputs.source_of`.
        content: What is painted.
    """

    target: Path
    source: str
    content: Any


def make_seg_maps(
    maker: str,
    recipes: Sequence[Recipe],
    paint: Callable[[Any], tuple[np.ndarray, int]],
    classes: Sequence[str],
    out_dir: Path,
    zero_based: bool,
    workers: int | None,
    inputs: Sequence[Path] = (),
) -> tuple[ClassCounts, list[int]]:
    """Write segmentation maps as grey PNG files, in several processes, and ``classes.txt``.

    As ADE20K has them, classes count from 1 and 0 is no label; or zero-based, and 255 is no label.

    Args:
        maker: The conversion's name.
        recipes: Of all maps.
        paint: From a recipe's content to ``(H, W)`` uint8 labels, 255 where there is none, and a number.
        classes: Names in the order of labels.
        out_dir: In which all maps lie.
        zero_based: Which of the two.
        workers: Processes. Default: one for each CPU.
        inputs: Files among which no map may lie.

    Returns:
        Pixels and masks of each class, and what ``paint`` counted.

    Raises:
        AnnotationError: If two maps would be one file.
        OutputError: If a file would replace another one, or lie among the inputs or outside of ``out_dir``.
    """
    sources: dict[Path, str] = {}
    for target, source, _ in recipes:
        other = sources.setdefault(target, source)
        if other != source:
            raise AnnotationError(f"'{other}' and '{source}' would both become '{target}': rename one of them")
    text = "\n".join([*classes, ""])
    check_text(out_dir / "classes.txt", text)
    Outputs(maker, sources, inputs, out_dir)
    make = partial(_make, maker=maker, paint=paint, number=len(classes), zero_based=zero_based)
    counts, numbers = ClassCounts(classes), []
    for labels, number in in_parallel(make, recipes, "converting", workers):
        counts.add(labels)
        numbers.append(number)
    write_file(out_dir / "classes.txt", text)
    return counts, numbers


def _make(recipe: Recipe, maker: str, paint: Callable, number: int, zero_based: bool) -> tuple[LabelCounts, int]:
    labels, found = paint(recipe.content)
    values = labels if zero_based else np.where(labels == IGNORED, 0, labels + np.uint8(1))
    done, content = cv2.imencode(".png", values)
    if not done:
        raise OSError(f"cannot encode the mask '{recipe.target}'")
    put_png(recipe.target, content.tobytes(), maker, recipe.source)
    return count_labels(labels, number), found


def check_classes(classes: Sequence[str], path: str | Path, remedy: str) -> None:
    """Refuse names that are there twice, fewer than two, or more than masks can have.

    Args:
        classes: The names.
        path: The file that has them.
        remedy: What to do about a single class.

    Raises:
        AnnotationError: If they are refused.
    """
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice or not 1 <= len(classes) <= MOST_CLASSES:
        what = f"has {twice[0]!r} twice" if twice else f"has {len(classes)} classes"
        raise AnnotationError(f"'{path}' {what}: there must be 2 to {MOST_CLASSES} of different names")
    if len(classes) == 1:
        raise AnnotationError(
            f"'{path}' gives one class, {classes[0]!r}: from masks of it alone a segmentor learns nothing, as there is "
            f"nothing to tell it from. {remedy}"
        )


def print_masks(made: MadeSegMaps) -> None:
    """Print a table of the classes, notes, and the settings of a config for this data."""
    Console().print(frequency_table(made.counts, 0 if made.zero_based else 1))
    palette = f", palette={list(made.palette)!r}" if made.palette else ""
    print(
        *made.notes,
        "",
        "In the data sets of a config:",
        f"    data_prefix = dict(img_path=..., seg_map_path={short_path(made.out_dir)!r})",
        f"    metainfo = dict(classes={short_path(made.out_dir / 'classes.txt')!r}{palette})",
        f"    reduce_zero_label = {not made.zero_based}",
        sep="\n",
    )


def frequency_table(counts: ClassCounts, first: int = 0, weights: bool = False, all_classes: bool = True) -> Table:
    """Pixels and masks of each class.

    Args:
        counts: Of a data set.
        first: Value of the first class in the masks.
        weights: Show a column of loss weights.
        all_classes: Show classes that do not occur, too.
    """
    caption = f"unlabelled: {counts.unlabelled / max(counts.total, 1):.2%} of all pixels"
    if counts.empty:
        caption += f"; {counted(counts.empty, 'mask')} without any label"
    names = ("value", "class", "pixels", "of labelled", "masks", "of masks", *(["weight"] if weights else []))
    columns = [Column(name, justify="left" if name == "class" else "right") for name in names]
    table = Table(*columns, title=counted(counts.number, "mask"), caption=caption)
    shares, balance = counts.shares(), counts.weights()
    for label, name in enumerate(counts.classes):
        if counts.pixels[label] or all_classes:
            table.add_row(
                str(label + first),
                Text(name),
                f"{counts.pixels[label]:,}",
                f"{shares[label]:.2%}",
                f"{counts.masks[label]:,}",
                f"{counts.masks[label] / max(counts.number, 1):.1%}",
                *([f"{balance[label]:.3f}"] if weights else []),
            )
    return table
