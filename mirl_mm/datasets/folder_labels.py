"""Labels, from the folders that images lie in or from a list."""

import os
from collections.abc import Sequence

import numpy as np

from .checks import check_list_file
from .directory_scan import read_folder
from .file_lists import FileList
from .text_files import read_lines, read_text

# Of a list's files, so many, evenly spread, are looked for at the start; a million would take minutes over a network.
_SPOT_CHECKS = 1000


def class_folders(root: str, files: FileList) -> list[str]:
    """The class names: a labelled folder's sub-folders, sorted.

    Raises:
        ValueError: A sub-folder without images. Left out, it would shift the labels of the classes after it.
    """
    present = {folder.split(os.sep, 1)[0] for folder in files.folders}
    _, found = read_folder(root)
    empty = [name for name in found if name not in present]
    if present - {""} and empty:
        raise ValueError(
            f"{len(empty)} of the {len(found)} class folders in '{root}' have no images, the first is '{empty[0]}'. "
            "Delete them, fill them, or name the classes wanted by classes in the data set's config"
        )
    return found


def labels_of_folders(root: str, files: FileList, classes: Sequence[str]) -> np.ndarray:
    """(number of files,) int64: each file's class.

    Raises:
        ValueError: A file lies in no class folder, or in one that ``classes`` doesn't have.
    """
    label_of = {name: label for label, name in enumerate(classes)}
    labels = np.zeros(len(files.folders), dtype=np.int64)
    for position, folder in enumerate(files.folders):
        name = folder.split(os.sep, 1)[0]
        if not name:
            raise ValueError(
                f"labelled=True needs one sub-folder per class in '{root}', but the image '{files[0]}' lies directly "
                "in it. Move it into its class's folder, or set labelled=False for images without labels"
            )
        if name not in label_of:
            raise ValueError(
                f"the folder '{name}' in '{root}' is none of the {len(classes)} classes given. Add it to classes in "
                "the data set's config, or move it away"
            )
        labels[position] = label_of[name]
    return np.repeat(labels, files.counts())


def read_classes(classes: str | Sequence[str], data_root: str = "") -> tuple[str, ...]:
    """The class names that a data set's ``metainfo`` gives: themselves, or a text file with a name on each line.

    The file is relative to the working folder or to ``data_root``.

    Raises:
        ValueError: If there is no such file, no class, or a name twice.
    """
    names = classes
    if isinstance(classes, str):
        places = [path for path in (classes, os.path.join(data_root, classes)) if os.path.isfile(path)]
        if not places:
            raise ValueError(
                f"classes is {classes!r}, neither a file with a name on each line nor a tuple of names; a "
                f"single class is classes=({classes!r},) with a comma"
            )
        names = read_lines(places[0])
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise ValueError(f"classes {f'has {twice[0]!r} twice' if twice else 'names no class'}: {classes!r}")
    return tuple(names)


def read_list(path: str, root: str, labelled: bool) -> tuple[FileList, np.ndarray | None]:
    """Reads a list of images.

    Args:
        path: A text file of one path a line; with ``labelled``, a space and an integer follow. Empty lines don't count.
        root: What the paths are relative to.
        labelled: Whether there are labels.

    Returns:
        The files, and their labels, (number of files,) int64, or None.

    Raises:
        FileNotFoundError: No such list, or a file in it that doesn't exist (among 1000 looked for).
        ValueError: An empty list, or a line that can't be read; with its number.
    """
    check_list_file(path)
    paths: list[str] = []
    labels: list[int] = []
    for number, line in enumerate(read_text(path, "surrogateescape").split("\n"), 1):
        text = line.strip()
        if not text:
            continue
        if labelled:
            text, _, label = text.rpartition(" ")
            if not text.strip() or not label.isdecimal():
                raise ValueError(
                    f"{path}, line {number}: expected 'path label' with an integer from 0 on, got "
                    f"'{line.strip()}'. Correct the line, or set labelled=False if the list has no labels"
                )
            labels.append(int(label))
        paths.append(text.rstrip())
    if not paths:
        raise ValueError(f"list_file '{path}' names no file. Write one path relative to '{root}' on each line")
    for position in np.unique(np.linspace(0, len(paths) - 1, _SPOT_CHECKS).astype(int)).tolist():
        if not os.path.isfile(os.path.join(root, paths[position])):
            raise FileNotFoundError(
                f"{path} names '{paths[position]}', but '{root}' has no such file. Paths are relative to that folder"
                + ("" if labelled else "; if each line ends in a label, set labelled=True")
            )
    return FileList.from_paths(paths), np.array(labels, dtype=np.int64) if labelled else None
