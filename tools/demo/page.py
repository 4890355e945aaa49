"""The results: as a table for the terminal, and as one HTML page that needs nothing else."""

import io
import json
import time
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import jinja2
from matplotlib.figure import Figure
from mmengine.config import Config
from rich.table import Column, Table

from mirl_mm.file_backend import write_file
from mirl_mm.probing.depth_plot import PANELS, DepthCurve, plot_depth
from mirl_mm.studies import Step, duration, seconds_of
from mirl_mm.visualization.curves import plot_curves
from mirl_mm.visualization.png import encode_png
from mirl_mm.visualization.scalars import loss_names, read_scalars, term_title

from .pictures import PALETTE, detections, segmentations
from .plan import CLASSES, STARTS, Settings

#: Tasks to their titles and figures: names in the log to names for people. All are percent, and more is better.
_TASKS = {
    "det": ("Detection", {"coco/bbox_mAP": "box AP", "coco/segm_mAP": "mask AP"}),
    "seg": ("Segmentation", {"mIoU": "mean IoU", "aAcc": "pixel accuracy"}),
    "cls": ("Classification", {"accuracy/top1": "top-1 accuracy"}),
}
Row = tuple[str, str, float, float]  # a task, its figure's name, and its values from MIRL and from random weights


def comparison(work_dir: Path) -> list[Row]:
    """Each figure of each task, in percent."""
    rows = []
    for task, (title, metrics) in _TASKS.items():
        mirl, random = (read_scalars(work_dir / f"{task}_{start}").val for start in STARTS)
        scale = 100 if task == "det" else 1  # COCO's are shares
        rows += [(title, name, scale * mirl[key][-1][1], scale * random[key][-1][1]) for key, name in metrics.items()]
    return rows


def results_table(rows: Sequence[Row]) -> Table:
    """For the terminal."""
    table = Table("", *(Column(name, justify="right") for name in ("random", "MIRL", "")), box=None)
    for task, metric, mirl, random in rows:
        table.add_row(f"{task}, {metric}", f"{random:.1f}", f"{mirl:.1f}", f"{mirl - random:+.1f}")
    return table


def write_page(path: Path, settings: Settings, steps: Sequence[Step]) -> None:
    """Write the page of a demo whose steps are all done."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    root = f"{Path.cwd()}/"
    environment.filters |= {
        "duration": duration,
        "png": lambda pixels: _source(encode_png(pixels)),
        "svg": _svg,
        "source": _source,
        # A config, after all that it inherits, each with its path in the repository.
        "config_text": lambda path: Config.fromfile(path, import_custom_modules=False).text.replace(root, ""),
    }
    work_dir = settings.work_dir
    log = read_scalars(work_dir / "pretrain")
    terms = [name for name in loss_names([log]) if name != "loss"]
    last = ", ".join(f"{term_title(name)} {log.train[name][-1][1]:.3f}" for name in terms)
    fine_tuning = []
    for task, (title, _) in _TASKS.items():
        runs = {f"from {name}": read_scalars(work_dir / f"{task}_{start}") for start, name in STARTS.items()}
        ends = {name: (run.train["loss"][0][1], run.train["loss"][-1][1]) for name, run in runs.items()}
        words = ", ".join(f"{name} {first:.2f} to {end:.2f}" for name, (first, end) in ends.items())
        fine_tuning.append((plot_curves(runs, ["loss"], title), words))
    page = environment.get_template("page.html").render(
        settings=settings,
        rows=comparison(work_dir),
        colours={name: f"rgb{tuple(colour)}" for name, colour in zip(CLASSES, PALETTE.tolist(), strict=True)},
        pretraining=(plot_curves({"": log}, terms), last),
        reconstruction=(work_dir / "reconstruction/reconstruction.png").read_bytes(),
        probe=_probe(work_dir / "depth_probe/depth_probe.json"),
        found={"Detections": detections(work_dir), "Segmentations": segmentations(work_dir)},
        fine_tuning=fine_tuning,
        steps=steps,
        seconds=seconds_of(steps),
        date=time.strftime("%d %B %Y"),
    )
    write_file(path, page)


def _probe(path: Path) -> tuple[Figure, str, list[int]]:
    """The probe's plot, its peaks in words, and the numbers of images."""
    encoders = json.loads(path.read_text())["encoders"]
    curves, peaks = [], []
    for encoder in encoders:
        figures = {int(depth): values for depth, values in encoder["depths"].items()}
        curves.append(DepthCurve(encoder["name"], figures, encoder["blocks"]))
        for key, panel in PANELS.items():
            best, last = max(figures, key=lambda depth: figures[depth][key]), figures[max(figures)][key]
            peaks.append(
                f"{panel}, {encoder['name']}: best {figures[best][key]:.1f} after {best} blocks, last {last:.1f}"
            )
    blocks = encoders[0]["blocks"]
    figure = plot_depth(curves, range(0, blocks + 1, blocks // encoders[0]["segments"]))
    return figure, "; ".join(peaks), encoders[0]["images"]


def _svg(figure: Figure, width: float, height: float) -> str:
    """A plot as an image's source; inches at which letters have their proper size."""
    figure.set_size_inches(width, height)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _source(buffer.getvalue(), "svg+xml")


def _source(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"
