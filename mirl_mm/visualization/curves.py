"""Plots of what a run logged."""

import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mirl_mm.file_backend import write_file

from .scalars import Scalars, loss_names, term_title

#: What validations are read by, for each task: of a classifier, a detector, a segmentor.
MAIN_METRICS = ("ema/accuracy/top1", "accuracy/top1", "coco/bbox_mAP", "coco/segm_mAP", "mIoU")

_COLOURS = colormaps["tab10"].colors  # type: ignore[attr-defined]


def plot_curves(runs: Mapping[str, Scalars], keys: Sequence[str] = (), title: str = "") -> Figure:
    """Plot scalars over training iterations: lines for training, dashes with dots for validation.

    One run has all its curves in one panel, several runs have a panel for each key, so that like stands beside like.

    Args:
        runs: Name of each run to its scalars.
        keys: What to plot. Default: the loss and each pair's term, and accuracy, precision or IoU of validations, as
            far as there are.
        title: Goes on top.

    Raises:
        ValueError: If no run has a key, naming those that there are.
    """
    keys = list(keys) or [*loss_names(list(runs.values())), *_metrics(runs.values())]
    _check_keys(runs, keys)
    panels = keys if len(runs) > 1 else [""]
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(7.5 * columns if columns > 1 else 9, 4.5 * rows), layout="constrained", dpi=110)
    axes = figure.subplots(rows, columns, squeeze=False).flat[:]
    for panel, axis in zip(panels, axes, strict=False):
        if panel:
            _draw(axis, [(run, panel, name) for name, run in runs.items()], term_title(panel))
        else:
            _draw(axis, [(run, key, term_title(key)) for run in runs.values() for key in keys])
    for axis in axes[len(panels) :]:
        axis.remove()
    if title:
        figure.suptitle(title)
    return figure


class _Picture(Figure):
    """A figure that a notebook shows, whatever its settings for plots are."""

    def _repr_png_(self) -> bytes:
        return encode_figure(self)


def plot_run(run: Scalars, keys: Sequence[str] = (), title: str = "") -> Figure:
    """One run at a glance: the loss and each pair's term, beside them what is measured in validations.

    Args:
        run: What it has logged.
        keys: What to plot in the second panel. Default: accuracy, precision or IoU, as far as there are.
        title: Goes on top.

    Raises:
        ValueError: If something was not logged, naming what there is.
    """
    losses = loss_names([run])
    metrics = list(keys) or _metrics([run])
    _check_keys({"": run}, [*losses, *metrics])
    panels = [panel for panel in (losses, metrics) if panel]
    figure = _Picture(figsize=(5.5 * len(panels) + 1, 3.6), layout="constrained", dpi=80)
    for axis, names in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True):
        _draw(axis, [(run, name, term_title(name)) for name in names])
    if title:
        figure.suptitle(title)
    return figure


def encode_figure(figure: Figure) -> bytes:
    """The content of a PNG file."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def save_figure(path: Path, figure: Figure) -> None:
    """Write a PNG file."""
    write_file(path, encode_figure(figure))


def _metrics(runs: Iterable[Scalars]) -> list[str]:
    logged = {name for run in runs for name in run.val}
    return [key for key in MAIN_METRICS if key in logged]


def _draw(axis: Axes, curves: Sequence[tuple[Scalars, str, str]], ylabel: str = "") -> None:
    """Runs, names of scalars and labels, each in a colour of its own; of one run, the loss in a thick line."""
    for (run, key, label), colour in zip(curves, cycle(_COLOURS), strict=False):
        width = 2.4 if key == "loss" and not ylabel else 1.4
        if run.train.get(key):
            axis.plot(*zip(*run.train[key], strict=True), color=colour, label=label, linewidth=width)
        if run.val.get(key):
            points = zip(*run.val[key], strict=True)
            axis.plot(*points, "o--", color=colour, label=f"{label} (validation)", linewidth=width * 0.6, markersize=4)
    axis.set(xlabel="iteration", ylabel=ylabel)
    axis.grid(alpha=0.25)
    axis.legend()


def _check_keys(runs: Mapping[str, Scalars], keys: Sequence[str]) -> None:
    known = sorted({name for run in runs.values() for name in (*run.train, *run.val)})
    missing = [key for key in keys if key not in known]
    if missing or not keys:
        raise ValueError(f"no run has logged {', '.join(missing) or 'a loss'}; there is {', '.join(known)}")
