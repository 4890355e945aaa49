"""What can be said about a data set's folder before any long work starts."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping

from mirl_mm.config import LOADERS
from mirl_mm.registry import DATASETS
from mirl_mm.text import shortlist

from .directory_scan import read_folder, walk

_SET_SPLIT = "Set split in the data set's config to one of its folders, or to '' for the images of data_root itself"


def preflight(cfg: Mapping) -> None:
    """Checks the folders of a config's data sets, within moments, before anything is built.

    Raises:
        FileNotFoundError: A folder or file is missing; the message starts with the data loader's name.
        ValueError: A folder without images.
    """
    for loader in LOADERS:
        if cfg.get(loader) is not None:
            try:
                check_dataset_cfg(cfg[loader].get("dataset"))
            except (FileNotFoundError, ValueError) as error:
                raise type(error)(f"{loader}: {error}") from error


def check_dataset_cfg(cfg: Mapping | None) -> None:
    """As :func:`preflight`, for one data set's config; wrappers are looked into, other types of data set pass."""
    if not isinstance(cfg, Mapping) or "type" not in cfg:
        return
    for inner in [cfg.get("dataset"), *cfg.get("datasets", ())]:
        check_dataset_cfg(inner)
    kind = DATASETS.get(cfg["type"]) if isinstance(cfg["type"], str) else cfg["type"]
    if hasattr(kind, "preflight"):
        kind.preflight(**{key: value for key, value in cfg.items() if key not in ("type", "_scope_")})


def check_root(data_root: str, split: str = "", remedy: str = _SET_SPLIT) -> str:
    """The folder of a data set's split; ``remedy`` says what to do where it is missing.

    Raises:
        FileNotFoundError: There is none; says which part of the path is missing.
    """
    if not os.path.isdir(data_root):
        raise FileNotFoundError(
            f"data_root '{data_root}' is no folder (looked from '{os.getcwd()}'). Set data_root in the data set's "
            "config, or on the command line by --data-root /path/to/images"
        )
    root = os.path.join(data_root, split) if split else data_root
    if not os.path.isdir(root):
        present = read_folder(data_root)[1][:10]
        there = f"there are {', '.join(present)}" if present else "it has no sub-folders"
        raise FileNotFoundError(f"data_root '{data_root}' has no folder '{split}' ({there}). {remedy}")
    return root


def check_part(data_root: str, part: str, what: str, setting: str, ending: str = "") -> None:
    """See that a file of that ending, or without one a folder, is there: absolute, or relative to ``data_root``.

    Raises:
        FileNotFoundError: Says what is missing, and what the nearest folder above it holds instead.
    """
    path = os.path.join(data_root, part)
    if os.path.isfile(path) if ending else os.path.isdir(path):
        return
    if data_root and not os.path.isabs(part):
        check_root(data_root)
    above = os.path.dirname(os.path.normpath(path)) or "."
    while not os.path.isdir(above) and os.path.dirname(above) != above:
        above = os.path.dirname(above) or "."
    files, folders = read_folder(above)
    names = [name for name in files if name.endswith(ending)] if ending else folders
    kind = f"{ending} files" if ending else "folders"
    there = f"in '{above}' there are {'' if ending else 'the folders '}{shortlist(names)}"
    raise FileNotFoundError(
        f"{what} '{path}' is missing; {there if names else f'{above!r} has no {kind}'}. Set {setting} in the data "
        "set's config (relative to data_root), or data_root by --data-root"
    )


def endings_of(names: Iterable[str]) -> str:
    """The commonest endings of files, and how often there are: ``.jpg (1,200), .png (3)``."""
    found = Counter(os.path.splitext(name)[1].lower() or "(none)" for name in names)
    return ", ".join(f"{ending} ({number:,})" for ending, number in found.most_common(5))


def check_list_file(path: str) -> None:
    """Raises a FileNotFoundError if a list isn't there."""
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"list_file '{path}' is no file. Give list_file a path relative to data_root, or an absolute one"
        )


def check_images_exist(root: str, extensions: tuple[str, ...]) -> None:
    """Raises a ValueError unless a folder has at least one image; reads no further than the first one."""
    if not has_image(root, extensions):
        raise no_images(root, extensions)


def has_image(root: str | os.PathLike[str], extensions: tuple[str, ...]) -> bool:
    """Whether a folder, or one below it, has an image; reads no further than the first one."""
    return any(name.lower().endswith(extensions) for _, names in walk(root) for name in names)


def no_images(root: str, extensions: tuple[str, ...]) -> ValueError:
    """The error that a folder has no image, naming what it has instead."""
    found = endings_of(name for _, names in walk(root) for name in names)
    wanted = ", ".join(extensions)
    what = f"files. Put images ({wanted}) into it"
    if found:
        what = (
            f"file that ends in {wanted}; the endings found are {found}. Name the right ones by extensions in the data "
            "set's config"
        )
    return ValueError(f"folder '{root}' holds no {what}, or correct data_root and split")
