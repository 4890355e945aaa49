"""Trials of batch sizes in the tests' process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from mirl_mm.engine.batch_size import trial_config
from mirl_mm.engine.batch_size_search import BatchTrial, try_sizes
from tests.conftest import forget_runs


def pretend(monkeypatch: pytest.MonkeyPatch, size_to_bytes: Callable[[int], int]) -> None:
    """Let trials take real steps, one for each size, and believe a made-up need of memory."""

    def measure(self: BatchTrial, size: int) -> int:
        self._steps(size, 1)
        return size_to_bytes(size)

    monkeypatch.setattr(BatchTrial, "_measure", measure)


def tried(cfg: Config, folder: Path, images: int, free: int, processes: int = 1) -> list[dict[str, Any]]:
    """The lines that a trial writes."""
    forget_runs()
    out = folder / "tries.jsonl"
    try_sizes(trial_config(cfg, folder / "trial"), BatchTrial(out, images, processes, processes, free))
    return [json.loads(line) for line in out.read_text().splitlines()]
