"""What was found in a folder, and the error where nothing was."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mirl_mm.text import counted, shortlist

_SHOWN = 8


class NothingFoundError(ValueError):
    """A folder holds none of the layouts that a task learns from; says what was looked for and what is there.

    Attributes:
        layouts: What was looked for.
        tried: What came near, and why it was none.
    """

    def __init__(self, message: str, layouts: Sequence[str] = (), tried: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.layouts, self.tried = layouts, tried


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        data_root: The folder, as a config is to name it.
        out_dir: Where lists and converted annotations may be written, absolute; the folder itself is only read.
        share: Part of the training images that is held out for validation if there is nothing else to evaluate on.
        seed: By which they are drawn.
        names: Classes that the user gives, in the order of their labels.
    """

    data_root: str
    out_dir: Path
    share: float = 0.1
    seed: int = 0
    names: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        """The folder."""
        return Path(self.data_root)

    def relative(self, folder: Path) -> str:
        """A folder as a data set's config names it: relative to ``data_root`` if it is in there, else absolute."""
        if not folder.resolve().is_relative_to(self.root.resolve()):
            return str(folder.resolve())
        below = os.path.relpath(folder, self.root)
        return "" if below == "." else below

    def below(self, folder: str) -> "Request":
        """The same of a folder in the folder."""
        return replace(self, data_root=os.path.normpath(os.path.join(self.data_root, folder)))


@dataclass(frozen=True)
class Split:
    """One split's place.

    Attributes:
        settings: Of the data set's config: ``data_root`` and what the kind of data needs besides.
        number: Images.
        where: For people.
    """

    settings: Mapping[str, Any]
    number: int
    where: str


@dataclass(frozen=True)
class Found:
    """A data set.

    Attributes:
        what: The layout's name.
        splits: ``train``, and ``val`` and ``test`` where there are any.
        classes: Names in the order of labels; None if there are no labels.
        masks: Whether all objects have a mask.
        notes: What else is worth knowing, one line each.
    """

    what: str
    splits: Mapping[str, Split]
    classes: tuple[str, ...] | None = None
    masks: bool = True
    notes: Sequence[str] = field(default=())

    def lines(self, root: str) -> list[str]:
        """What to say about it, a line for each thing."""
        lines = [f"found in '{root}': {self.what}"]
        lines += [f"  {name}: {counted(split.number, 'image')}, {split.where}" for name, split in self.splits.items()]
        if self.classes is not None:
            lines.append(f"  {counted(len(self.classes), 'class', 'classes')}: {shortlist(self.classes, _SHOWN)}")
        return lines + [f"  {note}" for note in self.notes]


def nothing_found(root: Path, wanted: str, layouts: Sequence[str], tried: Sequence[str] = ()) -> NothingFoundError:
    """The error for a folder.

    Args:
        root: The folder.
        wanted: What the task needs, such as ``objects to detect``.
        layouts: What was looked for.
        tried: What came near, and why it was none.
    """
    parts = [f"'{root}' has no {wanted} in a layout that is known. Looked for:"]
    parts += [f"  - {layout}" for layout in layouts]
    entries = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    folders = [f"{entry.name}/" for entry in entries if entry.is_dir()]
    files = [entry.name for entry in entries if entry.is_file()]
    parts.append(f"It holds {shortlist([*folders, *files], _SHOWN) if entries else 'nothing'}.")
    parts += tried
    parts.append("docs/data.md shows the layouts; a config of your own can name any files.")
    return NothingFoundError("\n".join(parts), layouts, tried)
