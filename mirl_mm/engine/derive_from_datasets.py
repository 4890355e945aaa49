"""Settings derived from the data sets of a config: classes, ``num_classes``, annotation files.

mmdet and mmseg want the number of classes in every head and a data set's annotation file in its metric, too; one of
them is forgotten easily.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from mirl_mm.config import LOADERS
from mirl_mm.datasets.folder_labels import read_classes
from mirl_mm.text import shortlist

from .tasks import tasks


def fit_to_datasets(cfg: Config) -> None:
    """Complete a config in place; what it does is printed, and done again it changes nothing.

    - Classes that name a file become the names in it. They are in ``metainfo``, an ``ImageFolder``'s are its own.
    - ``num_classes`` of every head becomes the number of classes where the data sets name them.
    - Metrics get what their task takes from the data set, as a ``CocoMetric`` its ``ann_file``.

    Raises:
        ValueError: If the data sets have different classes, or a segmentor's loss weights of another number of classes.
    """
    classes = dataset_classes(cfg)
    for _, dataset in data_sets(cfg):
        holder = _holder_of_classes(dataset)
        if holder.get("classes") is not None:
            holder["classes"] = classes
    if classes is not None and isinstance(cfg.get("model"), Mapping):
        _set_num_classes(cfg.model, len(classes), "model", {name for task in tasks() for name in task.class_agnostic})
        for task in tasks():
            task.check_classes(cfg.model, len(classes))
    for loader in LOADERS[1:]:
        for task in tasks():
            task.fit_metrics(cfg, loader)


def dataset_classes(cfg: Config) -> tuple[str, ...] | None:
    """The classes that a config's data sets name; None if none does.

    Raises:
        ValueError: If they differ.
    """
    first: tuple[str, tuple[str, ...]] | None = None
    for loader, dataset in data_sets(cfg):
        classes = _holder_of_classes(dataset).get("classes")
        if classes is None:
            continue
        try:
            names = read_classes(classes, dataset.get("data_root") or "")
        except ValueError as error:
            raise ValueError(f"{loader}: {error}") from error
        if first is not None and names != first[1]:
            raise ValueError(
                f"{loader} has the classes {shortlist(names)}, {first[0]} has {shortlist(first[1])}: all must have the "
                "same classes, in the same order"
            )
        first = first or (loader, names)
    return None if first is None else first[1]


def set_classes(cfg: Config, classes: Sequence[str]) -> None:
    """Name the classes of every data set of a config, in wrappers, too; colours of other classes are dropped.

    They are names in the order of the labels, or one text file, ``.txt``, with a name on each line.

    Raises:
        ValueError: If a data set has no labels.
    """
    is_file = len(classes) == 1 and classes[0].endswith(".txt")
    given = classes[0] if is_file else tuple(classes)
    for loader, dataset in data_sets(cfg):
        if dataset.get("labelled") is False:
            raise ValueError(f"--classes: the data set of {loader} has no labels (labelled=False)")
        holder = _holder_of_classes(dataset)
        if holder is dataset:
            holder["classes"] = given
        else:
            kept = {key: value for key, value in holder.items() if key != "palette"}
            dataset["metainfo"] = {**kept, "classes": given}


def _holder_of_classes(dataset: Mapping) -> Any:
    """The dict that has a data set's ``classes``, if any has."""
    is_folder = str(dataset.get("type")).rpartition(".")[2] == "ImageFolder"
    return dataset if is_folder else dataset.get("metainfo") or {}


def data_sets(cfg: Mapping, loaders: Iterable[str] = LOADERS) -> Iterator[tuple[str, Any]]:
    """The config of each data set of these loaders, also inside of wrappers, with its loader's name."""
    for loader in loaders:
        yield from ((loader, each) for each in inner_datasets((cfg.get(loader) or {}).get("dataset")))


def inner_datasets(cfg: Any) -> Iterator[Any]:
    """A data set's config, or those inside of a wrapper such as ``RepeatDataset`` or ``ConcatDataset``."""
    if not isinstance(cfg, Mapping):
        return
    inner = [cfg.get("dataset"), *cfg.get("datasets", ())]
    if not any(inner):
        yield cfg
    for each in inner:
        yield from inner_datasets(each)


def _set_num_classes(node: Any, number: int, place: str, skipped: Set[str]) -> None:
    if isinstance(node, Sequence) and not isinstance(node, str):
        for i, each in enumerate(node):
            _set_num_classes(each, number, f"{place}[{i}]", skipped)
    elif isinstance(node, Mapping):
        if node.get("num_classes", number) != number:
            print_log(f"{place}.num_classes = {number} (was {node['num_classes']}), as the data has", logger="current")
            node["num_classes"] = number  # type: ignore[index]
        for key, each in node.items():
            if key not in skipped:
                _set_num_classes(each, number, f"{place}.{key}", skipped)
