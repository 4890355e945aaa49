"""Kills of a training in two processes."""

from pathlib import Path

from tests.stress import kills
from tests.stress.small import classifier
from tests.stress.table import Row, tell

NAME = "kills, two processes"
WEIGHT = 3.0


def run(minutes: float, seed: int, out_dir: Path) -> list[Row]:
    """A classifier by epochs; the first process dies inside writes, either at random moments."""
    tell(out_dir, "the uninterrupted run")
    return kills.campaign(classifier(out_dir, two=True), minutes, seed, out_dir)
