"""A bar with the time left, on the error stream so that it mixes with no result."""

from collections.abc import Iterable, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def progress(items: Iterable[T], title: str, total: int | None = None) -> Iterable[T]:
    """The items one by one; without a title there is no bar, without ``total`` it is as long as they are."""
    if not title:
        return items
    total = len(items) if total is None and isinstance(items, Sized) else total
    return track(items, title, total, console=Console(stderr=True), transient=True)
