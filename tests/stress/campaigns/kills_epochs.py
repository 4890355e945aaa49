"""Kills of a training by epochs."""

from pathlib import Path

from tests.stress import kills
from tests.stress.small import classifier
from tests.stress.table import Row, tell

NAME = "kills, by epochs"
WEIGHT = 4.0


def run(minutes: float, seed: int, out_dir: Path) -> list[Row]:
    """A classifier, its average of the weights, updates of two batches, validated after each epoch."""
    tell(out_dir, "the uninterrupted run")
    return kills.campaign(classifier(out_dir), minutes, seed, out_dir)
