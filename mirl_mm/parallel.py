"""Work on many files in several processes."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from .cpu_info import cpu_count
from .progress import progress

T = TypeVar("T")

_FEW = 32  # items for which processes are not worth starting
_CHUNKS = 16  # of a process: few enough to cost little, enough for all to end at about the same time


def in_parallel(
    function: Callable[[Any], T], items: Sequence[Any], title: str, workers: int | None = None
) -> Iterator[T]:
    """A function's results for items, in their order, with a bar and the time left on the error stream.

    Args:
        function: Of a module, or a ``functools.partial`` of one, so that it reaches other processes.
        items: What it takes.
        title: Of the bar.
        workers: Processes. Default: one for each CPU, none for a few items.

    Yields:
        The results.

    Raises:
        ValueError: If ``workers`` is negative.
        Exception: What the function raises for the first item for which it does; no more are begun.
    """
    if workers is not None and workers < 0:
        raise ValueError(f"workers must be 0 (this process) or more, got {workers}")
    if workers is None:
        workers = 0 if len(items) <= _FEW else cpu_count()
    if workers <= 1:
        yield from progress(map(function, items), title, len(items))
        return
    # Forked workers start at once and need no __main__ guard in the caller's script; elsewhere forking is unsafe.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_die_with_parent) as pool:
        results = pool.map(function, items, chunksize=max(len(items) // (workers * _CHUNKS), 1))
        try:
            yield from progress(results, title, len(items))
        finally:
            pool.shutdown(cancel_futures=True)


def _die_with_parent() -> None:
    """Workers of a pool would wait for tasks for ever after their parent was killed."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
