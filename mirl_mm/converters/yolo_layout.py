"""Where YOLO data sets have their images, labels and classes."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mirl_mm.datasets.checks import no_images
from mirl_mm.datasets.directory_scan import find_files
from mirl_mm.datasets.image_folder import EXTENSIONS
from mirl_mm.datasets.text_files import read_lines, read_yaml

_SPLITS = ("train", "val", "test")
#: How YAML writes nothing, and which is read as text here.
_NOTHING = ("", "~", "null", "Null", "NULL")


class Split(NamedTuple):
    """Images of a split, and the folders in which they were looked for (none for a list of images)."""

    images: list[Path]
    folders: list[Path]

    def strays(self, labels: Iterable[Path]) -> list[Path]:
        """Label files without image, where labels have folders of their own."""
        known = set(labels)
        found = []
        for folder in self.folders:
            own = label_path(folder / "x").parent
            if own != folder and own.is_dir():
                found += [path for path in find_files(own, [".txt"]) if path not in known and path.stem != "classes"]
        return found


class Layout(NamedTuple):
    """A data set: its folder, class names in order, and splits by name."""

    root: Path
    classes: tuple[str, ...]
    splits: dict[str, Split]


def find_layout(source: Path, classes: Sequence[str] = (), wanted: Sequence[str] = ()) -> Layout:
    """Find out what is where.

    Args:
        source: ``data.yaml``, or a folder with ``data.yaml`` or ``classes.txt``.
        classes: In place of the file's.
        wanted: The splits that are looked at, in this order. Default: all.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        ValueError: If a file doesn't say what it should, a folder has no images, or there is no such split.
    """
    if source.is_dir() and (source / "data.yaml").is_file():
        source = source / "data.yaml"
    if source.is_file() and source.suffix in (".yaml", ".yml"):
        content, root = _read(source)
        names = tuple(classes) or _names(source, content)
        entries = _entries(source, content)
        chosen = _chosen(source, entries, wanted)
        return Layout(root, names, {name: _split(source, root, entries[name]) for name in chosen})
    if not source.is_dir():
        raise FileNotFoundError(f"'{source}' is neither a folder nor a data.yaml")
    base = source / "images" if (source / "images").is_dir() else source
    folders = {name: base / name for name in _SPLITS if (base / name).is_dir()} or {"all": base}
    chosen = _chosen(source, folders, wanted)
    splits = {name: Split(_images(folders[name]), [folders[name]]) for name in chosen}
    return Layout(source, tuple(classes) or _read_classes(source), splits)


def splits_there(source: Path) -> list[str]:
    """The splits of a ``data.yaml`` whose images are where it says."""
    content, root = _read(source)
    entries = _entries(source, content)
    return [name for name, each in entries.items() if all(_place(source, root, entry) is not None for entry in each)]


def label_path(image: Path) -> Path:
    """An image's label file: its last folder ``images`` becomes ``labels``; without such a folder, beside it."""
    parts = list(image.parts[:-1])
    for i in reversed(range(len(parts))):
        if parts[i] == "images":
            parts[i] = "labels"
            break
    return Path(*parts, f"{image.stem}.txt")


def _read(path: Path) -> tuple[dict, Path]:
    """What ``data.yaml`` says, and the data set's folder."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ValueError(f"'{path}' holds no table: expected path, train, val and names")
    base = path.parent / str(content.get("path") or "").replace("\\", "/")
    # `path` is often meant from another folder than this one, or left from another machine.
    return content, base if content.get("path") and base.is_dir() else path.parent


def _entries(path: Path, content: Mapping) -> dict[str, list[str]]:
    """Of each split that is named, the folders and lists."""
    found = {}
    for name in _SPLITS:
        value = content.get(name)
        entries = [value] if isinstance(value, str) else value or []
        kept = [entry.replace("\\", "/") for entry in entries if entry not in _NOTHING]
        if kept:
            found[name] = kept
    if not found:
        raise ValueError(f"'{path}' names no images: expected train, val or test")
    return found


def _chosen(source: Path, there: Iterable[str], wanted: Sequence[str]) -> list[str]:
    there = list(there)
    unknown = [name for name in wanted if name not in there]
    if unknown:
        raise ValueError(f"no split {', '.join(unknown)} in '{source}', which has {', '.join(there)}")
    return list(wanted) or there


def _names(path: Path, content: Mapping) -> tuple[str, ...]:
    names = content.get("names")
    if isinstance(names, dict):
        if sorted(names, key=lambda key: (len(key), key)) != [str(i) for i in range(len(names))]:
            raise ValueError(f"'{path}': the numbers of names must be 0..{len(names) - 1}, got {', '.join(names)}")
        names = [names[str(i)] for i in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"'{path}' has no class names: expected names: [...]")
    if "nc" in content and content["nc"] != str(len(names)):
        raise ValueError(f"'{path}' says nc: {content['nc']}, but has {len(names)} names")
    return tuple(names)


def _place(path: Path, root: Path, entry: str) -> Path | None:
    # "../train/images" is what some exports write for a folder beside the file.
    tries = [root / entry, path.parent / entry, root / entry.removeprefix("../")]
    return next((place for place in tries if place.exists()), None)


def _split(path: Path, root: Path, entries: Sequence[str]) -> Split:
    images: list[Path] = []
    folders: list[Path] = []
    for entry in entries:
        found = _place(path, root, entry)
        if found is None:
            raise FileNotFoundError(f"'{path}' names '{entry}', but there is no '{root / entry}'")
        if found.is_dir():
            folders.append(found)
            images += _images(found)
        else:
            for line in read_lines(found, "surrogateescape"):
                tries = [folder / line.replace("\\", "/") for folder in (found.parent, root)]
                images.append(next((path for path in tries if path.is_file()), tries[0]))
    return Split(images, folders)


def _read_classes(root: Path) -> tuple[str, ...]:
    for path in (root / "classes.txt", root / "labels" / "classes.txt"):
        if path.is_file():
            return tuple(read_lines(path))
    raise FileNotFoundError(
        f"'{root}' has neither data.yaml nor classes.txt, which name the classes: write one, or give --classes"
    )


def _images(folder: Path) -> list[Path]:
    found = find_files(folder, EXTENSIONS)
    if not found:
        raise no_images(str(folder), EXTENSIONS)
    return found
