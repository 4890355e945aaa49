"""Instance masks, pictures in which each value is an object, into COCO's format."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from mirl_mm.datasets.decode import open_upright
from mirl_mm.datasets.directory_scan import find_files
from mirl_mm.datasets.image_folder import EXTENSIONS
from mirl_mm.errors import CorruptImageError
from mirl_mm.outputs import check_json
from mirl_mm.parallel import in_parallel
from mirl_mm.rle import box_of, encode_rle
from mirl_mm.text import counted

from .coco_builder import AnnotationError, Box, CocoBuilder, Problems, size_of, stem_of
from .summary import Converted

CLASS_FROM = ("one", "folder", "file", "value")
_MASKS = (".png", ".tif", ".tiff", ".bmp", ".gif")
_GREY = ("1", "L", "P", "I", "I;16")  # modes of a picture, or how they begin
_MOST = 5000  # objects in a picture: more values are a photograph's, or a JPEG's that was saved as something else


_Object = tuple[int, Box, int, dict[str, list[int]]]  # label, box (x1, y1, x2, y2), pixels, run lengths
_Task = tuple[Path, list[tuple[Path, str]]]  # an image, and its masks with what their names say of the class
#: (H, W), objects of the classes that are asked for, how many there are of others, and values that number no object.
_Read = tuple[tuple[int, int], list[_Object], int, int]


def instances_to_coco(
    images: str | Path,
    masks: str | Path,
    out: str | Path,
    classes: Sequence[str] = (),
    class_from: str = "one",
    divisor: int = 1000,
    ignore: Sequence[int] = (),
    on_error: str = "stop",
    workers: int | None = None,
) -> Converted:
    """Convert pictures in which each value but 0 is an object; boxes and run lengths go into a COCO file.

    A mask may be grey of 8 or 16 bits, of a palette (its numbers count), or of colours: then the value is R + 256 G +
    256² B, as in COCO's panoptic pictures, and black is 0. It belongs to the image of the same path without ending
    (``PNGImages/a.png``, ``PedMasks/a.png``), of a path that begins its own (``a_mask.png``, ``a_dog_2.png``), or
    after which its folder is called (``a/0.png``, ``a/1.png``); there may be several of one image. Run lengths give
    each pixel back, holes and pieces included.

    Args:
        images: Folder of the images; the file names them relative to it.
        masks: Folder of the masks.
        out: The file, ``.json``.
        classes: Names in the order of labels. Default: ``object``; by folder or file, all names by alphabet. By value
            they are the names of 1, 2, ..., or ``24=person`` those of other numbers; there is no default.
        class_from: Where the class stands. ``"one"``: nowhere, there is one. ``"folder"``: the first folder in
            ``masks``. ``"file"``: what follows the image's name, without a number at the end. ``"value"``: value //
            ``divisor``, as in Cityscapes; other classes than those named are left out.
        divisor: See there.
        ignore: Values besides 0 that are no object, such as 255 for borders.
        on_error: ``"stop"`` at an image that can't be converted, or ``"skip"`` it.
        workers: Processes. Default: one for each CPU.

    Raises:
        FileNotFoundError: If a folder is missing.
        AnnotationError: For an image without mask, a mask without image, of another size, or that is none, and a class
            that is not among those given.
        OutputError: If the file is there and not of the same conversion.
        ValueError: For another word for ``class_from`` or ``on_error``, several classes where the class stands nowhere,
            or none by value.
    """
    images, masks, out = Path(images), Path(masks), Path(out)
    for folder in (images, masks):
        if not folder.is_dir():
            raise FileNotFoundError(f"no folder '{folder}'")
    names = _names(classes, class_from)
    description = f"{masks.name} of {images.name}"
    check_json(out, description)
    problems = Problems(on_error)
    tasks = _tasks(images, masks, class_from, problems)
    names = names or {word: word for word in sorted({word for _, own in tasks for _, word in own} - {""})}
    coco = CocoBuilder(list(names.values()), description)
    by_value = divisor if class_from == "value" else None
    read = partial(_read, labels=list(names), divisor=by_value, ignore=frozenset({0, *ignore}))
    others = unnumbered = 0
    for (image, _), result in zip(tasks, in_parallel(read, tasks, "converting", workers), strict=True):
        with problems.tolerated():
            if isinstance(result, AnnotationError):
                raise result
            size, objects, *left = result
            coco.add_image(image.relative_to(images).as_posix(), size)
            for each in objects:
                coco.add_mask(*each)
            others, unnumbered = others + left[0], unnumbered + left[1]
    if not coco.annotations and not problems.skipped:
        raise AnnotationError(
            f"the masks of '{masks}' hold no object"
            + (f" of {', '.join(coco.classes)}; left out were {others:,} of other classes" if others else "")
            + (f" numbered from {divisor} on: set the divisor" if unnumbered else "")
        )
    notes = []
    if others:
        notes.append(f"left out: {counted(others, 'object')} of classes that are not named")
    if unnumbered:
        notes.append(f"left out: {counted(unnumbered, 'region')} of values below {divisor}, which number no object")
    return Converted(images, out, coco, problems.skipped, coco.write(out), tuple(notes))


def _names(classes: Sequence[str], class_from: str) -> dict[str, str]:
    """What stands for a class in the data, to its name; empty if that is to be found out."""
    if class_from not in CLASS_FROM:
        raise ValueError(f"class_from must be one of {', '.join(CLASS_FROM)}, got {class_from!r}")
    if class_from == "one":
        if len(classes) > 1:
            raise ValueError(
                f"{len(classes)} classes are given: say where an object's class stands, by class_from='folder', 'file' "
                "or 'value' (--class-from)"
            )
        return {"": classes[0] if classes else "object"}
    if class_from != "value":
        return {name: name for name in classes}
    if not classes:
        raise ValueError("class_from='value' needs classes: names of 1, 2, ..., or numbers with names, 24=person")
    pairs = [name.split("=", 1) if re.match(r"\d+=.", name) else [str(i), name] for i, name in enumerate(classes, 1)]
    return dict(pairs)


def _tasks(images: Path, masks: Path, class_from: str, problems: Problems) -> list[_Task]:
    """Images with their masks, by path."""
    by_folder = class_from == "folder"
    by_stem: dict[str, Path] = {}
    for path in find_files(images, EXTENSIONS):
        other = by_stem.setdefault(stem_of(path, images), path)
        if other != path:
            raise AnnotationError(f"'{other}' and '{path}' differ in their ending alone: masks could be of either")
    of_image: dict[str, list[tuple[Path, str]]] = {stem: [] for stem in by_stem}
    for path in _mask_files(masks):
        folder, _, inner = path.relative_to(masks).as_posix().rpartition(".")[0].partition("/")
        stem = inner if by_folder else stem_of(path, masks)
        with problems.tolerated():
            if by_folder and not inner:
                raise AnnotationError(f"the mask '{path}' lies in no folder of a class")
            image, rest = _image_of(stem, by_stem)
            if image is None:
                raise AnnotationError(f"the mask '{path}' belongs to no image of '{images}': none is called '{stem}'")
            in_name = re.sub(r"[^A-Za-z]*\d+$", "", rest) if class_from == "file" else ""
            of_image[image].append((path, folder if by_folder else in_name))
    tasks = []
    for stem, path in by_stem.items():
        with problems.tolerated():
            if not of_image[stem]:
                raise AnnotationError(f"the image '{path}' has no mask in '{masks}'")
            tasks.append((path, of_image[stem]))
    return tasks


def _mask_files(folder: Path) -> list[Path]:
    files = find_files(folder)
    found = [path for path in files if path.suffix.lower() in _MASKS]
    if not found:
        lossy = next((path for path in files if path.suffix.lower() in (".jpg", ".jpeg")), None)
        why = f"; '{lossy.name}' is a JPEG, which changes values: get the masks as PNG" if lossy else ""
        raise AnnotationError(f"'{folder}' holds no masks ({', '.join(_MASKS)}){why}")
    return found


def _image_of(stem: str, images: Mapping[str, Path]) -> tuple[str | None, str]:
    """The image to which a mask belongs, and what its own name says besides."""
    if stem in images:
        return stem, ""
    folder, _, name = stem.rpartition("/")
    if folder in images:
        return folder, name
    for end in range(len(stem) - 1, len(folder), -1):
        if not stem[end].isalnum() and stem[:end] in images:
            return stem[:end], stem[end + 1 :]
    return None, ""


def _read(task: _Task, labels: list[str], divisor: int | None, ignore: frozenset[int]) -> _Read | AnnotationError:
    """All objects, or what is wrong with the masks; ``divisor`` is None where values tell no class. Runs elsewhere."""
    image, masks = task
    try:
        size = size_of(image)
        objects: list[_Object] = []
        others = unnumbered = 0
        for path, word in masks:
            try:
                picture = open_upright(path, "mask")
            except (CorruptImageError, FileNotFoundError) as error:
                raise AnnotationError(str(error)) from error
            values = np.asarray(picture if picture.mode[:4] in _GREY else picture.convert("RGB")).astype(np.int64)
            values = values if values.ndim == 2 else values @ np.array([1, 256, 256**2])
            if values.shape != size:
                raise AnnotationError(
                    f"the mask '{path}' has {values.shape} pixels (rows, columns), its image '{image}' {size}: "
                    "one of them was resized, turned or mixed up"
                )
            found = [value for value in np.unique(values).tolist() if value not in ignore]
            if len(found) > _MOST:
                raise AnnotationError(
                    f"'{path}' has {len(found):,} values: a mask has one for each object, a photograph many"
                )
            for value in found:
                key = word if divisor is None else str(value // divisor)
                if divisor is not None and value < divisor:
                    unnumbered += 1
                elif key in labels:
                    mask = values == value
                    objects.append((labels.index(key), box_of(mask), int(mask.sum()), encode_rle(mask)))
                elif divisor is not None:
                    others += 1
                else:
                    why = f"the class {key!r} is not among {', '.join(labels)}" if key else "its name tells no class"
                    raise AnnotationError(f"the mask '{path}': {why}")
        return size, objects, others, unnumbered
    except AnnotationError as error:
        return error
