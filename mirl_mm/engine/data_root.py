"""Another folder of data for a config: its own layout if the folder has it, else whatever is found there."""

import copy
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log

from mirl_mm.config import LOADERS, scope_of
from mirl_mm.datasets import preflight
from mirl_mm.datasets.folder_labels import read_classes
from mirl_mm.discovery import FINDERS, Found, Request, class_folders_of
from mirl_mm.registry import DATASETS
from mirl_mm.text import shortlist

from .derive_from_datasets import data_sets, dataset_classes, set_classes
from .launch import count_images, drop_validation, set_data_root
from .tasks import Task, tasks

#: Splits in the order in which each loader takes them.
_SPLITS = {"train": ("train",), "val": ("val", "test"), "test": ("test", "val", "train")}


def use_folder(
    cfg: Config,
    data_root: str,
    out_dir: str | Path,
    loaders: Sequence[str] = LOADERS,
    classes: Sequence[str] = (),
    val_share: float = 0.1,
    seed: int = 0,
) -> None:
    """Point a config's data sets to a folder, and its classes to those in it; what is found is printed.

    Where the folder has what the config names (``train`` and ``val``, COCO's files, ADE20K's folders), that is taken.
    Else it is looked for by :mod:`mirl_mm.discovery`: the layouts of other tools are known, too, and where there is
    nothing to validate on, a share of the images is held out, or the training goes without. Classes that the config
    names stay if the data has them. What the data can't serve is left out, as a mask head of objects without masks.

    Args:
        cfg: The config; changed in place.
        data_root: The folder; it is only read.
        out_dir: For lists and converted annotations, if such are needed.
        loaders: Names of the data loaders that will be used.
        classes: The data's classes in the order of their labels, or one ``.txt`` file; None: those that are found.
        val_share: What is held out for validation where there is none, in [0, 1).
        seed: By which it is drawn.

    Raises:
        NothingFoundError: If the folder has nothing that the task could learn from.
        ValueError: If a loader's data sets are in several folders; for a share out of range.
    """
    kind, found = _kind(cfg) if Path(data_root).is_dir() else None, None
    if kind is not None and not _fits(cfg, data_root, loaders):
        names = _given(classes, data_root) or (dataset_classes(cfg) if _task(kind).unnamed else ()) or ()
        found = FINDERS[kind](Request(data_root, Path(out_dir).absolute(), val_share, seed, tuple(names)))
        print_log("\n".join(found.lines(data_root)), logger="current")
    set_data_root(cfg, data_root)
    if found is not None:
        _apply(cfg, found)
    elif kind is not None:
        found = _facts(cfg, kind, loaders)
    if classes:
        set_classes(cfg, classes)
    elif found is not None and found.classes and not _keeps(cfg, kind, found.classes):
        if not found.splits:  # else it has been said
            print_log(f"classes of '{data_root}': {shortlist(found.classes, 8)}", logger="current")
        set_classes(cfg, found.classes)
    if found is not None:
        _task(kind).adjust(cfg, found)


def limit_batch(cfg: Config) -> None:
    """Make a batch no larger than there are images to train with, and even, as mixup takes pairs; says so."""
    loader, images = cfg.train_dataloader, count_images(cfg)
    if loader.get("drop_last") and loader.batch_size > images:
        batch = images - images % 2 if images > 1 else 1
        print_log(f"batch_size = {batch} (was {loader.batch_size}), as there are {images} images", logger="current")
        loader.batch_size = batch


def _kind(cfg: Config) -> str | None:
    """What the config's data sets learn from; None if they are of other types, or lists say what is to be taken."""
    learnt = {name: task.learns_from for task in tasks() for name in task.data_sets}
    kinds = set()
    for _, dataset in data_sets(cfg):
        name = str(dataset.get("type")).rpartition(".")[2]
        labelled = "classes" if dataset.get("labelled") else "images"
        listed = bool(dataset.get("list_file"))
        kinds.add(learnt.get(name) or (labelled if name == "ImageFolder" and not listed else None))
    return kinds.pop() if len(kinds) == 1 else None


def _task(kind: str | None) -> Task:
    """That whose data sets hold this."""
    return next((task for task in tasks() if task.learns_from == kind), Task())


def _fits(cfg: Config, data_root: str, loaders: Sequence[str]) -> bool:
    """Whether the folder has what the config names."""
    tried = copy.deepcopy(cfg)
    set_data_root(tried, data_root)
    try:
        preflight({name: tried.get(name) for name in loaders})
    except (FileNotFoundError, ValueError):
        return False
    return True


def _facts(cfg: Config, kind: str | None, loaders: Sequence[str]) -> Found | None:
    """Classes, and whether there are masks, of a folder with the config's own layout; read in moments."""
    held = [name for name in ("val_dataloader", "test_dataloader", "train_dataloader") if name in loaders]
    _, dataset = next(data_sets(cfg, held[:1]), (None, None))
    if dataset is None:
        return None
    root = Path(dataset["data_root"])
    if kind == "classes":
        _, train = next(data_sets(cfg, ["train_dataloader"]), (None, dataset))
        folders = [root / (each.get("split") or "") for each in (train, dataset)]
        classes = next((found for folder in folders if folder.is_dir() and (found := class_folders_of(folder))), ())
        return Found(kind, {}, classes if len(classes) > 1 else None)
    return _task(kind).content(root, dataset)  # of the validation: COCO's file for training takes a while to read


def _apply(cfg: Config, found: Found) -> None:
    """Let each loader take its split."""
    for loader in filter(cfg.get, LOADERS):
        split = next((found.splits[name] for name in _SPLITS[loader.split("_")[0]] if name in found.splits), None)
        if split is None:
            drop_validation(cfg)
            continue
        for _, dataset in data_sets(cfg, [loader]):
            dataset.update(copy.deepcopy(dict(split.settings)))


def _given(classes: Sequence[str], data_root: str) -> Sequence[str]:
    """The names, read from the file if it is one."""
    return read_classes(classes[0], data_root) if len(classes) == 1 and classes[0].endswith(".txt") else classes


def _keeps(cfg: Config, kind: str | None, found: Sequence[str]) -> bool:
    """Whether the config's own classes, or those that its type of data set has, fit the data."""
    if kind == "classes":
        heads = (cfg.model.get("head") or {}).get("num_classes")
        named = dataset_classes(cfg)
        return set(named) == set(found) if named else heads == len(found)
    named = dataset_classes(cfg) or _default_classes(cfg)
    return _task(kind).keeps(named, found)


def _default_classes(cfg: Config) -> tuple[str, ...]:
    """Those of the data set's type, such as COCO's 80."""
    _, dataset = next(data_sets(cfg))
    with scope_of(cfg):
        kind = DATASETS.get(dataset["type"])
    return tuple(getattr(kind, "METAINFO", {}).get("classes", ()))
