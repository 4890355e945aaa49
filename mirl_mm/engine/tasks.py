"""What the core asks tasks about a config and a folder of data; each wing answers for its own in its ``task.py``."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mirl_mm.discovery import Found
from mirl_mm.models.layers import Size
from mirl_mm.registry import TASKS

#: The path of a part in a config, the part, a key of it, and the only value that the key can have.
Setting = tuple[str, Any, str, Any]


class Task:
    """A task that has no more to say than the core knows; a wing's is a subclass, registered in ``TASKS``.

    Methods are called with configs of every task, and leave those of others as they are. They need no package beyond
    the core's, as they are asked before any is imported.

    Attributes:
        learns_from: What its data sets hold, a key of ``mirl_mm.discovery.FINDERS``.
        data_sets: Their types, without a scope.
        unnamed: Whether the data has numbers in place of classes' names, so that the config's are taken to find it.
        class_agnostic: Parts of its models that have a number of classes of another kind.
    """

    learns_from = ""
    data_sets: Sequence[str] = ()
    unnamed = False
    class_agnostic: Sequence[str] = ()

    def settings(self, model: Mapping, neck: Any, channels: int, stride: Size) -> Iterator[Setting]:
        """What follows from the backbone.

        Args:
            model: The config's.
            neck: The class of its neck; None if it has none.
            channels: Of the backbone's maps.
            stride: (rows, columns) of them, in pixels.
        """
        return iter(())

    def check_classes(self, model: Mapping, number: int) -> None:
        """Raises a ValueError if something in a config's model is for another number of classes than the data has."""

    def fit_metrics(self, cfg: Config, loader: str) -> None:
        """Complete the metrics of a loader by what its data set says."""

    def forget_folder(self, cfg: Config, loader: str) -> None:
        """Let the metrics of a loader lose files in its data set's folder, which is about to be another."""

    def content(self, root: Path, dataset: Mapping) -> Found | None:
        """Classes of a folder that has the config's own layout, read in moments; None if it doesn't name them."""
        return None

    def keeps(self, named: Sequence[str], found: Sequence[str]) -> bool:
        """Whether the classes that a config names fit those that were found."""
        return tuple(named) == tuple(found)

    def adjust(self, cfg: Config, found: Found) -> None:
        """Leave out of a config what the data can't serve."""


def tasks() -> list[Task]:
    """One of each that is registered."""
    TASKS.import_from_location()
    return [kind() for kind in TASKS.module_dict.values()]


def each(path: str, given: Any) -> Iterator[tuple[str, Any]]:
    """A part of a model, or each of a list of them, with its path."""
    if isinstance(given, Mapping):
        yield path, given
    elif isinstance(given, (list, tuple)):
        yield from ((f"{path}.{i}", part) for i, part in enumerate(given) if isinstance(part, Mapping))


def given(path: str, holder: Any, **values: Any) -> Iterator[Setting]:
    """Those of the keys that the config has; what it leaves to a class is the class's."""
    for key, value in values.items():
        if holder and holder.get(key) is not None:
            yield path, holder, key, value
