"""Kills of a training by iterations."""

from pathlib import Path

from tests.stress import kills
from tests.stress.small import detector
from tests.stress.table import Row, tell

NAME = "kills, by iterations"
WEIGHT = 4.0
NEEDS = ("mirl_mm.detection.mmdet_parts",)  # imported before the campaigns fork


def run(minutes: float, seed: int, out_dir: Path) -> list[Row]:
    """A detector, its average of the weights, updates of two batches."""
    tell(out_dir, "the uninterrupted run")
    return kills.campaign(detector(out_dir), minutes, seed, out_dir)
