"""Where YOLO data sets have their images, labels and classes."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from mirl_mm.datasets.checks import no_images
from mirl_mm.datasets.image_folder import EXTENSIONS

_SPLITS = ("train", "val", "test")


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
                found += [path for path in sorted(own.rglob("*.txt")) if path not in known and path.stem != "classes"]
        return found


class Layout(NamedTuple):
    """A data set: its folder, class names in order, and splits by name."""

    root: Path
    classes: tuple[str, ...]
    splits: dict[str, Split]


def find_layout(source: Path, classes: Sequence[str] = ()) -> Layout:
    """Find out what is where.

    Args:
        source: ``data.yaml``, or a folder with ``data.yaml`` or ``classes.txt``.
        classes: In place of the file's.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        ValueError: If a file doesn't say what it should, or a folder has no images.
    """
    if source.is_dir() and (source / "data.yaml").is_file():
        source = source / "data.yaml"
    if source.is_file() and source.suffix in (".yaml", ".yml"):
        return _from_yaml(source, classes)
    if not source.is_dir():
        raise FileNotFoundError(f"'{source}' is neither a folder nor a data.yaml")
    return Layout(source, tuple(classes) or _read_classes(source), _splits_of_folder(source))


def label_path(image: Path) -> Path:
    """An image's label file: its last folder ``images`` becomes ``labels``; without such a folder, beside it."""
    parts = list(image.parts[:-1])
    for i in reversed(range(len(parts))):
        if parts[i] == "images":
            parts[i] = "labels"
            break
    return Path(*parts, f"{image.stem}.txt")


def _from_yaml(path: Path, classes: Sequence[str]) -> Layout:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"'{path}' is no YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"'{path}' holds no table: expected path, train, val and names")
    names = tuple(classes) or _names(path, content)
    base = path.parent / str(content.get("path") or "")
    # `path` is often meant from another folder than this one, or left from another machine.
    root = base if content.get("path") and base.is_dir() else path.parent
    splits = {name: _split(path, root, content[name]) for name in _SPLITS if content.get(name)}
    if not splits:
        raise ValueError(f"'{path}' names no images: expected train, val or test")
    return Layout(root, names, splits)


def _names(path: Path, content: Mapping) -> tuple[str, ...]:
    names = content.get("names")
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise ValueError(f"'{path}': the numbers of names must be 0..{len(names) - 1}, got {sorted(names)}")
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list) or not names:
        raise ValueError(f"'{path}' has no class names: expected names: [...]")
    if "nc" in content and content["nc"] != len(names):
        raise ValueError(f"'{path}' says nc: {content['nc']}, but has {len(names)} names")
    return tuple(map(str, names))


def _split(path: Path, root: Path, entries: str | list[str]) -> Split:
    images: list[Path] = []
    folders: list[Path] = []
    for entry in [entries] if isinstance(entries, str) else entries:
        # "../train/images" is what some exports write for a folder beside the file.
        tries = [root / entry, path.parent / entry, root / entry.removeprefix("../")]
        found = next((place for place in tries if place.exists()), None)
        if found is None:
            raise FileNotFoundError(f"'{path}' names '{entry}', but there is no '{tries[0]}'")
        if found.is_dir():
            folders.append(found)
            images += _images(found)
        else:
            lines = (line.strip() for line in found.read_text(encoding="utf-8").splitlines())
            images += [_listed(line, found.parent, root) for line in lines if line]
    return Split(images, folders)


def _listed(line: str, beside: Path, root: Path) -> Path:
    """An image of a list: relative to the list, or to the data set."""
    return next((place for place in (beside / line, root / line) if place.is_file()), beside / line)


def _splits_of_folder(root: Path) -> dict[str, Split]:
    base = root / "images" if (root / "images").is_dir() else root
    present = [name for name in _SPLITS if (base / name).is_dir()]
    folders = {name: base / name for name in present} or {"all": base}
    return {name: Split(_images(folder), [folder]) for name, folder in folders.items()}


def _read_classes(root: Path) -> tuple[str, ...]:
    for path in (root / "classes.txt", root / "labels" / "classes.txt"):
        if path.is_file():
            return tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    raise FileNotFoundError(
        f"'{root}' has neither data.yaml nor classes.txt, which name the classes: write one, or give --classes"
    )


def _images(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    if not found:
        raise no_images(str(folder), EXTENSIONS)
    return found
