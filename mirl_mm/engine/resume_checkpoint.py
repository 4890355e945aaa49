"""The checkpoint from which a run is resumed."""

import logging
import os
from pathlib import Path

from mmengine.logging import print_log

from mirl_mm.checkpoint.latest import find_latest
from mirl_mm.text import short_path

from .main_process import on_main_process

#: Behind the name of a checkpoint that was found damaged and is kept aside.
DAMAGED = ".damaged"


def find_resumed(work_dir: str | Path) -> str | None:
    """The newest whole checkpoint of a work dir, None if it has none; damaged ones are moved aside, with a warning.

    Raises:
        ValueError: If there are checkpoints, and none of them is whole.
    """
    return on_main_process(_find, work_dir)


def _find(work_dir: str | Path) -> str | None:
    found = find_latest(work_dir)
    for path, problem in found.problems.items():
        told = problem if path.name in problem else f"{short_path(path)}: {problem}"
        if path.suffix == ".pth":
            os.replace(path, f"{path}{DAMAGED}")
            told += f". It is kept as {path.name}{DAMAGED}"
        print_log(f"{told}; the run goes on from {found.checkpoint}", logger="current", level=logging.WARNING)
    return None if found.checkpoint is None else str(found.checkpoint)
