"""YOLO: a text file for each image, classes in ``data.yaml`` or ``classes.txt``."""

import math
from collections.abc import Sequence
from pathlib import Path

from mirl_mm.datasets.text_files import read_text
from mirl_mm.outputs import check_json
from mirl_mm.progress import progress

from .coco_builder import AnnotationError, CocoBuilder, Problems, relative_name, size_of
from .summary import Converted
from .yolo_layout import find_layout, label_path

_SLACK = 0.01  # tools round; what lies further outside is in pixels, or wrong


def yolo_to_coco(
    source: str | Path,
    out_dir: str | Path | None = None,
    splits: Sequence[str] = (),
    classes: Sequence[str] = (),
    on_error: str = "stop",
    overwrite: bool = False,
) -> dict[str, Converted]:
    """Convert YOLO's text files; every split's file is written as ``out_dir/<split>.json``.

    A line is ``class x y width height``, the box's centre and size, or ``class x1 y1 x2 y2 x3 y3 ...``, a polygon; all
    as shares of the image's width and height. Labels lie beside the images, or under ``labels`` where the images' path
    has ``images``. Images without a label file, or with an empty one, are kept: they show what is no object.

    Args:
        source: ``data.yaml``, or a folder with ``data.yaml`` or ``classes.txt``.
        out_dir: Default: ``annotations`` in the data set's folder.
        splits: Some of the splits; the others may be missing. Default: all.
        classes: Names in the order of their numbers, in place of the file's.
        on_error: ``"stop"`` at what can't be converted, or ``"skip"`` it.
        overwrite: Replace files of these names, whatever made them.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        AnnotationError: For what can't be converted: a line of another form, a class that there isn't, coordinates in
            pixels, an image that is missing or broken, labels without image.
        OutputError: If a file is there that is not of the same conversion.
        ValueError: For a file of classes that says nothing, an unknown split, or another word for ``on_error``.
    """
    layout = find_layout(Path(source), classes, splits)
    out_dir = layout.root / "annotations" if out_dir is None else Path(out_dir)
    for name in () if overwrite else layout.splits:
        check_json(out_dir / f"{name}.json", f"{layout.root.name}, {name}")
    done = {}
    for name, split in layout.splits.items():
        problems = Problems(on_error)
        coco = CocoBuilder(layout.classes, f"{layout.root.name}, {name}")
        labels = {image: label_path(image) for image in split.images}
        if split.images and not any(path.is_file() for path in labels.values()):
            raise AnnotationError(
                f"none of the {len(labels)} images of '{name}' has a label file: put them where they are looked for, "
                f"such as '{next(iter(labels.values()))}'"
            )
        for image, path in progress(list(labels.items()), f"converting {name}"):
            with problems.tolerated():
                coco.add_image(relative_name(image, layout.root), size_of(image))
                for number, line in enumerate(read_text(path).split("\n") if path.is_file() else (), start=1):
                    with problems.tolerated(f"'{path}', line {number}"):
                        _add_line(coco, line)
        for path in split.strays(labels.values()):
            with problems.tolerated():
                raise AnnotationError(f"the image of '{path}' is missing")
        path = out_dir / f"{name}.json"
        masks, number = sum("segmentation" in each for each in coco.annotations), len(coco.annotations)
        note = f"{masks} of {number} objects have a polygon: a detector with masks can't train on the others"
        notes = (note,) if masks not in (0, number) else ()
        done[name] = Converted(layout.root, path, coco, problems.skipped, coco.write(path), notes)
    return done


def _add_line(coco: CocoBuilder, line: str) -> None:
    """Add an object to the last image."""
    fields = line.split()
    if not fields:
        return
    try:
        first, *values = map(float, fields)
    except ValueError:
        raise AnnotationError(f"not all are numbers: {line!r}") from None
    if not first.is_integer() or not 0 <= first < len(coco.classes):
        raise AnnotationError(
            f"class {fields[0]} is out of range: there are {len(coco.classes)}, numbered from 0 "
            f"({', '.join(coco.classes[:5])}{', ...' if len(coco.classes) > 5 else ''})"
        )
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        hint = "; six numbers may be a prediction with its score: take the score off" if len(values) == 5 else ""
        raise AnnotationError(
            f"{len(fields)} numbers: expected 5, a class and a box, or a class and at least 3 points{hint}"
        )
    if not all(math.isfinite(value) and -_SLACK <= value <= 1 + _SLACK for value in values):
        raise AnnotationError(f"coordinates must be shares of the image in 0..1, not pixels: {line!r}")
    width, height = coco.images[-1]["width"], coco.images[-1]["height"]
    if len(values) > 4:
        coco.add_polygon(int(first), [(x * width, y * height) for x, y in zip(*[iter(values)] * 2, strict=True)])
        return
    x, y, w, h = values[0] * width, values[1] * height, values[2] * width, values[3] * height
    coco.add_box(int(first), (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
