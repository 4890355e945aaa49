"""The figures that the page and the terminal show, read from the logs."""

import json
from dataclasses import dataclass
from pathlib import Path

from mirl_mm.visualization.scalars import Scalars, read_scalars

from .plan import Settings, Task


@dataclass(frozen=True)
class Row:
    """A figure of a task, from both starts, in percent.

    Attributes:
        task: The task.
        metric: The figure's name for people.
        random: From random weights.
        mirl: From MIRL's.
    """

    task: Task
    metric: str
    random: float
    mirl: float

    @property
    def gain(self) -> float:
        """What pre-training is worth, in points."""
        return self.mirl - self.random


def comparison(settings: Settings) -> list[Row]:
    """Each figure of each task at the end of its trainings."""
    rows = []
    for task in settings.tasks:
        random, mirl = (read_scalars(settings.model_dir(task, start)) for start in ("random", "mirl"))
        for key, metric in task.metrics.items():
            rows.append(Row(task, metric, last_percent(random, key), last_percent(mirl, key)))
    return rows


def last_percent(scalars: Scalars, key: str) -> float:
    """The last value of a validation's figure, which COCO gives as a share."""
    value = scalars.val[key][-1][1]
    return 100 * value if key.startswith("coco/") else value


@dataclass(frozen=True)
class ProbeCurve:
    """An encoder's accuracy at some depths.

    Attributes:
        name: "MIRL" or "random weights".
        figures: Name of a figure to (depth in blocks, percent).
    """

    name: str
    figures: dict[str, list[tuple[int, float]]]


@dataclass(frozen=True)
class Probe:
    """The depth probe's result.

    Attributes:
        curves: One for each encoder.
        segments: Of MIRL.
        images: For training and validation.
    """

    curves: list[ProbeCurve]
    segments: int
    images: tuple[int, int]


def read_probe(path: Path) -> Probe:
    """From the tool's file."""
    encoders = json.loads(path.read_text())["encoders"]
    curves = []
    for encoder in encoders:
        depths = {int(depth): figures for depth, figures in encoder["depths"].items()}
        names = ("knn_top1", "linear_top1")
        points = {name: [(depth, depths[depth][name]) for depth in sorted(depths)] for name in names}
        curves.append(ProbeCurve(encoder["name"], points))
    first = encoders[0]
    return Probe(curves, first["segments"], tuple(first["images"]))


def table_text(rows: list[Row]) -> str:
    """For the terminal."""
    lines = [f"  {'':32}{'random':>8}{'MIRL':>8}{'':>9}"]
    for row in rows:
        name = f"{row.task.title}, {row.metric}"
        lines.append(f"  {name:32}{row.random:>8.1f}{row.mirl:>8.1f}{row.gain:>+9.1f}")
    return "\n".join(lines)
