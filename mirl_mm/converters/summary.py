"""What a conversion has made."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from mirl_mm.text import counted

from .coco_builder import CocoBuilder

_SHOWN = 10


class Converted(NamedTuple):
    """One split's outcome.

    Attributes:
        root: The data set's folder, to which the file's image names are relative.
        path: The file that was written.
        coco: What is in it.
        skipped: What was left out, and why.
        checked: Whether pycocotools loaded the file.
        notes: What else is worth knowing.
    """

    root: Path
    path: Path
    coco: CocoBuilder
    skipped: list[str]
    checked: bool
    notes: tuple[str, ...] = ()


def print_summary(splits: Mapping[str, Converted]) -> None:
    """Print tables of splits and classes, what was left out, and the settings of a config for this data."""
    Console().print(_split_table(splits), _class_table(splits))
    for name, split in splits.items():
        for message in split.skipped[:_SHOWN]:
            print(f"{name}: left out: {message}")
        if len(split.skipped) > _SHOWN:
            print(f"{name}: ... and {len(split.skipped) - _SHOWN} more")
        for note in split.notes:
            print(f"{name}: {note}")
        thin = [each["image_id"] for each in split.coco.annotations if min(each["bbox"][2:]) <= 1]
        if thin:  # they mark a point rather than an object
            first = next(image["file_name"] for image in split.coco.images if image["id"] == thin[0])
            print(
                f"{name}: at most one pixel wide or high: {counted(len(thin), 'box', 'boxes')}, the first of them in "
                f"'{first}': nothing can be learnt of an object so small; look whether it is a slip"
            )
    if not all(split.checked for split in splits.values()):
        print("not loaded for a check: pycocotools, which comes with mmdet, is not here")
    first = next(iter(splits.values()))
    print(f"\nIn a config:\n    data_root = {str(first.root)!r}")
    print(f"    metainfo = dict(classes={first.coco.classes!r})\n    num_classes = {len(first.coco.classes)}")
    print("    data_prefix = dict(img='')")
    for name, split in splits.items():
        path, root = split.path.resolve(), first.root.resolve()
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        print(f"    ann_file = {shown.as_posix()!r}  # {name}")


def _split_table(splits: Mapping[str, Converted]) -> Table:
    names = ("images", "without objects", "boxes", "with mask", "ignored", "clipped", "left out")
    table = Table("split", *(Column(name, justify="right") for name in names), title="Converted")
    for name, split in splits.items():
        coco = split.coco
        filled = {annotation["image_id"] for annotation in coco.annotations}
        table.add_row(
            Text(name),
            f"{len(coco.images):,}",
            f"{len(coco.images) - len(filled):,}",
            f"{len(coco.annotations):,}",
            f"{sum('segmentation' in annotation for annotation in coco.annotations):,}",
            f"{sum(annotation['iscrowd'] for annotation in coco.annotations):,}",
            f"{coco.clipped:,}",
            f"{len(split.skipped):,}",
        )
    return table


def _class_table(splits: Mapping[str, Converted]) -> Table:
    columns = [Column(name, justify="right") for name in ("label", *splits)]
    table = Table(columns[0], "class", *columns[1:], title="Boxes by class")
    counts = [Counter(each["category_id"] - 1 for each in split.coco.annotations) for split in splits.values()]
    for label, name in enumerate(next(iter(splits.values())).coco.classes):
        table.add_row(str(label), Text(name), *(f"{count[label]:,}" for count in counts))
    return table
