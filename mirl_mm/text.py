"""Text for messages: paths, counts, lists, tables."""

import os
from collections.abc import Sequence
from typing import Any


def short_path(path: str | os.PathLike[str]) -> str:
    """A path as one would type it: relative if it is below the working folder."""
    relative = os.path.relpath(path)
    return os.fspath(path) if relative.startswith(os.pardir) else relative


def counted(number: int, one: str, several: str | None = None) -> str:
    """Such as ``"1 box"`` and ``"1,200 boxes"``; the word for several is ``one`` with an s if not given."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def shortlist(values: Sequence[Any], most: int = 5) -> str:
    """The first values, and how many more there are: ``"a, b and 1,200 more"``."""
    more = f" and {len(values) - most:,} more" if len(values) > most else ""
    return ", ".join(map(str, values[:most])) + more


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, without a line break at its end."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
