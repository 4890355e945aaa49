"""Draws demo.png beside this file: what the demo's detectors and segmentors see in images that no training has seen.

make demo && python docs/images/demo.py
"""

import os
import sys
from pathlib import Path

from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from demo.pictures import Sample, detections, segmentations  # noqa: E402  # the tools are no package

OUT = Path(__file__).with_name("demo.png")
ROWS = {"truth": "labels", "from MIRL": "from MIRL", "from random": "from random\nweights"}
COLUMNS = 4  # of detections, and as many of segmentations


def draw(samples: list[Sample]) -> Figure:
    """A row for the labels and for each model; detections on the left."""
    figure = Figure(figsize=(2 * COLUMNS + 0.6, 3 * 1.0 + 0.5), dpi=200, layout="constrained")
    panels = figure.subplots(len(ROWS), len(samples))
    for row, (key, title) in zip(panels, ROWS.items(), strict=True):
        row[0].set_ylabel(title, fontsize=8)
        for axes, (_, pictures) in zip(row, samples, strict=True):
            axes.imshow(pictures[key][0])
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
    for column, title in ((0, "Detection"), (COLUMNS, "Segmentation")):
        panels[0, column].set_title(title, fontsize=9, loc="left")
    return figure


def main() -> None:
    """Draw what the demo left in work_dirs/demo."""
    os.chdir(ROOT)
    folder = Path("work_dirs/demo")
    samples = [*detections(folder)[:COLUMNS], *segmentations(folder)[:COLUMNS]]
    draw(samples).savefig(OUT)
    print(OUT)


if __name__ == "__main__":
    main()
