"""A part's findings in a file that is whole at every moment, so that a part can be killed at any."""

import gc
import json
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from mirl_mm.file_backend import write_file

#: States of a part. Before its process ends in an orderly way it is ``running``.
RUNNING, DONE, FAILED, CUT, LEFT_OUT = "running", "done", "failed", "cut", "left out"


class Record:
    """A part's findings, written to its file as soon as they are there.

    Args:
        path: The file. A part that is ``running`` there goes on with its time.
        part: The part's name.

    Attributes:
        content: ``part``, ``state``, ``why`` (of a state other than done), ``started``, ``seconds``, ``waited`` (of
            them, for other parts), ``waiting_since``, ``notes``, and ``tables``: name to rows.
    """

    def __init__(self, path: Path, part: str) -> None:
        self.path = path
        before = read_record(path)
        running = before is not None and before["state"] == RUNNING
        self.content: dict[str, Any] = {
            "part": part,
            "state": RUNNING,
            "why": "",
            "started": before["started"] if before and running else time.time(),
            "seconds": 0.0,
            "waited": 0.0,
            "waiting_since": None,
            "notes": [],
            "tables": {},
        }
        self.write()

    def write(self) -> None:
        """Put the content into the file."""
        if self.content["state"] == RUNNING:
            self.content["seconds"] = time.time() - self.content["started"]
        write_file(self.path, json.dumps(self.content, indent=1))

    def add(self, table: str, **row: Any) -> None:
        """A row of a table."""
        self.content["tables"].setdefault(table, []).append(row)
        print(f"{table}: {row}", flush=True)
        self.write()

    def note(self, text: str) -> None:
        """A sentence for the report."""
        self.content["notes"].append(text)
        self.write()

    @contextmanager
    def attempt(self, table: str, **keys: Any) -> Iterator[None]:
        """What goes wrong within becomes a row of the table with its ``error``, and the part goes on."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            self.add(table, **keys, error=shorten(error))
        gc.collect()  # also what the failure held on to
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def end(self, state: str, why: str = "") -> None:
        """The part is over."""
        self.write()
        self.content |= {"state": state, "why": why, "waiting_since": None}
        self.write()


def shorten(error: Exception) -> str:
    """An error's kind and its first line."""
    text = str(error).strip() or "no message"
    return f"{type(error).__name__}: {text.splitlines()[0][:200]}"


def read_record(path: Path) -> dict[str, Any] | None:
    """A record's content; None if there is none yet."""
    return json.loads(path.read_text()) if path.is_file() else None
