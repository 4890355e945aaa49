"""A bar with the time left, on the error stream so that it mixes with no result."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def progress(items: Sequence[T], title: str) -> Iterable[T]:
    """The items one by one; with an empty title, without a bar."""
    return track(items, title, console=Console(stderr=True)) if title else items
