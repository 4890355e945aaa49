"""What came out of a depth study: each number with the log that has it, tables, curves for the plots."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mirl_mm.file_backend import write_file
from mirl_mm.probing.depth_plot import DepthCurve, plot_depth
from mirl_mm.text import markdown_table
from mirl_mm.visualization.curves import encode_figure
from mirl_mm.visualization.scalars import log_files, read_scalars

from .depth import METHODS, DepthStudy
from .line_plot import Line, plot_lines
from .summary import Mean, as_csv, mean, paired

RANDOM = "random"
#: Figures to their titles and decimals; percent but for the losses.
FIGURES = {
    "knn_last": ("k-NN, last block", 1),
    "knn_best": ("k-NN, best block", 1),
    "linear_last": ("linear, last block", 1),
    "linear_best": ("linear, best block", 1),
    "top1": ("fine-tuned", 1),
    "ema_top1": ("fine-tuned, average", 1),
    "train_loss": ("training loss", 3),
    "val_loss": ("validation loss", 3),
}


class Number(NamedTuple):
    """One number.

    Attributes:
        method: Of the study, or ``random``.
        depth: Of the encoder, in blocks.
        seed: Of the run.
        figure: Of :data:`FIGURES`, or ``knn`` and ``linear`` after a block.
        block: After which it was measured; -1 for the whole model.
        value: Percent, or a loss.
        source: The file that has it.
    """

    method: str
    depth: int
    seed: int
    figure: str
    block: int
    value: float
    source: str


def collect(study: DepthStudy) -> list[Number]:
    """All numbers of the steps that are done."""
    found: list[Number] = []
    for (part, method, depth, seed), step in study.steps.items():
        if not step.done:
            continue
        if part == "probe":
            path = step.folder / step.makes
            for encoder in json.loads(path.read_text())["encoders"]:
                name = method if encoder["checkpoint"] else RANDOM
                figures = {int(block): values for block, values in encoder["depths"].items()}
                found += _probed(name, depth, seed, figures, str(path))
            continue
        scalars, log = read_scalars(step.folder), str(log_files(step.folder)[-1])
        if part == "finetune":
            kept = {"top1": "accuracy/top1", "ema_top1": "ema/accuracy/top1"}
            values = {figure: scalars.val[key][-1][1] for figure, key in kept.items() if key in scalars.val}
        else:
            values = {"train_loss": scalars.train["loss"][-1][1]}
            values |= {"val_loss": scalars.val["loss"][-1][1]} if "loss" in scalars.val else {}
        found += [Number(method, depth, seed, figure, -1, value, log) for figure, value in values.items()]
    return found


def _probed(method: str, depth: int, seed: int, figures: Mapping[int, Mapping[str, float]], path: str) -> list[Number]:
    found = []
    for kind in ("knn", "linear"):
        values = {block: figures[block][f"{kind}_top1"] for block in sorted(figures)}
        best = max(values, key=lambda block: values[block])
        found += [Number(method, depth, seed, kind, block, value, path) for block, value in values.items()]
        if depth in values:
            found.append(Number(method, depth, seed, f"{kind}_last", depth, values[depth], path))
        found.append(Number(method, depth, seed, f"{kind}_best", best, values[best], path))
    return found


def by_seed(numbers: Sequence[Number], method: str, depth: int, figure: str, block: int | None = None) -> dict:
    """Seed to value."""
    return {
        each.seed: each.value
        for each in numbers
        if (each.method, each.depth, each.figure) == (method, depth, figure) and block in (None, each.block)
    }


def title(method: str) -> str:
    """In tables and plots."""
    return METHODS[method].title if method in METHODS else "random weights"


def tables(study: DepthStudy, numbers: Sequence[Number]) -> str:
    """Markdown: means with standard errors, and paired differences between the first method and the others."""
    methods, depths = [*study.methods, RANDOM], sorted(study.depths)
    shown = [figure for figure in FIGURES if any(each.figure == figure for each in numbers)]
    heads = [FIGURES[figure][0] for figure in shown]
    rows, pairs = [["blocks", "method", "seeds", *heads]], [["blocks", "difference", "seeds", *heads]]
    for depth in depths:
        for method in methods:
            means = [mean(list(by_seed(numbers, method, depth, figure).values())) for figure in shown]
            if any(means):
                rows.append([str(depth), title(method), _count(means), *map(_cell, means, shown)])
        first = methods[0]
        for method in methods[1:]:
            means = [
                paired(by_seed(numbers, first, depth, figure), by_seed(numbers, method, depth, figure))
                for figure in shown
            ]
            if any(means):
                cells = (_cell(*each, sign=True) for each in zip(means, shown, strict=True))
                pairs.append([str(depth), f"{title(first)} − {title(method)}", _count(means), *cells])
    text = "Top-1 in percent; mean over the seeds ± its standard error.\n\n" + markdown_table(rows[0], rows[1:])
    if len(pairs) > 1:
        text += "\n\nPaired differences, seed by seed: their mean ± its standard error.\n\n" + markdown_table(
            pairs[0], pairs[1:]
        )
    return text + _costs(study)


def _costs(study: DepthStudy) -> str:
    """What the methods' pre-training costs, one beside the other, from the measurements and the steps' records."""
    rows = [["blocks", "method", "GFLOP an image", "images/s", "step's time, of the first's", "processor minutes"]]
    for depth in sorted(study.depths):
        first = None
        for method in study.methods:
            path = study.speed[method, depth].folder / "speed.json"
            steps = [study.steps["pretrain", method, depth, seed] for seed in study.seeds]
            # Of an attempt that was killed together with the study, nobody knows what it took.
            minutes = mean([step.cpu / 60 for step in steps if step.done and len(step.spans) == 1])
            cells = ["–", "–", "–"]
            if path.is_file():
                content = json.loads(path.read_text())
                measured = next(iter(content["variants"].values()))
                rate, flops = measured["images_per_s"], measured["flop_per_step"] / content["batch_size"]
                first = first or rate
                cells = [f"{flops / 1e9:.3f}", f"{rate:.1f}", f"{first / rate:.3f}"]
            rows.append([str(depth), title(method), *cells, minutes.text() if minutes else "–"])
    note = (
        "Costs of pre-training: measured in a few steps (speed_*/speed.json), and what whole trainings took (steps/)."
    )
    return f"\n\n{note}\n\n{markdown_table(rows[0], rows[1:])}"


def _count(means: Sequence[Mean | None]) -> str:
    numbers = sorted({each.number for each in means if each})
    return "–".join(map(str, dict.fromkeys((numbers[0], numbers[-1]))))


def _cell(value: Mean | None, figure: str, sign: bool = False) -> str:
    return "–" if value is None else value.text(FIGURES[figure][1], sign)


def block_curves(study: DepthStudy, numbers: Sequence[Number]) -> tuple[int, list[DepthCurve]]:
    """The deepest depth that has been probed, and accuracy against block of each method there."""
    depth = max((each.depth for each in numbers if each.figure == "knn"), default=0)
    curves = []
    for method in [*study.methods, RANDOM]:
        figures: dict[int, dict[str, float]] = {}
        errors: dict[int, dict[str, float]] = {}
        seeds = by_seed(numbers, method, depth, "knn_last")
        for block in range(depth + 1 if seeds else 0):
            for kind in ("knn", "linear"):
                found = mean(list(by_seed(numbers, method, depth, kind, block).values()))
                if found:
                    figures.setdefault(block, {})[f"{kind}_top1"] = found.value
                    errors.setdefault(block, {})[f"{kind}_top1"] = found.error or 0.0
        if figures:
            name = f"{title(method)} ({len(seeds)})"
            curves.append(DepthCurve(name, figures, depth, method == RANDOM, errors))
    return depth, curves


def _points(study: DepthStudy, numbers: Sequence[Number], method: str, figure: str) -> dict[float, Mean]:
    found = {depth: mean(list(by_seed(numbers, method, depth, figure).values())) for depth in sorted(study.depths)}
    return {depth: value for depth, value in found.items() if value}


def write_results(study: DepthStudy, numbers: Sequence[Number]) -> list[Path]:
    """Write the tables and plots of what there is; returns the files."""
    out = study.work_dir
    files: dict[Path, str | bytes] = {}
    files[out / "numbers.csv"] = as_csv(Number._fields, numbers)
    files[out / "tables.md"] = tables(study, numbers)
    lines = {}
    for figure in ("knn_last", "linear_last", "top1"):
        lines[FIGURES[figure][0]] = [
            Line(title(method), _points(study, numbers, method, figure), method == RANDOM)
            for method in [*study.methods, RANDOM]
        ]
    if any(line.points for panel in lines.values() for line in panel):
        files[out / "depths.png"] = encode_figure(plot_lines(lines, "blocks of the encoder", "top-1 accuracy (%)"))
    depth, curves = block_curves(study, numbers)
    if curves:
        name = f"{depth} blocks, mean over the seeds (their number) and its standard error"
        files[out / "blocks.png"] = encode_figure(plot_depth(curves, title=name))
    for path, content in files.items():
        write_file(path, content)
    return list(files)
