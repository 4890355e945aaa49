"""What came out of a depth study: each number with the log that has it, tables, curves for the plots."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mirl_mm.file_backend import write_file
from mirl_mm.probing.depth_plot import DepthCurve, plot_depth
from mirl_mm.text import markdown_table
from mirl_mm.visualization.curves import encode_figure
from mirl_mm.visualization.scalars import log_files, read_scalars

from .depth import RANDOM, DepthStudy
from .line_plot import Line, plot_lines
from .summary import Mean, as_csv, by_seed, mean, paired

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
#: Those that trainings log: whether in training or validation, and as what.
_LOGGED = {
    "pretrain": {"train_loss": ("train", "loss"), "val_loss": ("val", "loss")},
    "finetune": {"top1": ("val", "accuracy/top1"), "ema_top1": ("val", "ema/accuracy/top1")},
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
                for kind in ("knn", "linear"):
                    values = {int(block): figures[f"{kind}_top1"] for block, figures in encoder["depths"].items()}
                    named = [(kind, block) for block in sorted(values)]
                    named += [(f"{kind}_last", depth)] if depth in values else []
                    named += [(f"{kind}_best", max(sorted(values), key=values.__getitem__))]
                    found += [Number(name, depth, seed, each, block, values[block], str(path)) for each, block in named]
            continue
        scalars, log = read_scalars(step.folder), str(log_files(step.folder)[-1])
        for figure, (kind, key) in _LOGGED[part].items():
            if points := getattr(scalars, kind).get(key):
                found.append(Number(method, depth, seed, figure, -1, points[-1][1], log))
    return found


def title(study: DepthStudy, method: str) -> str:
    """In tables and plots."""
    return "random weights" if method == RANDOM else study.known[method].title


def tables(study: DepthStudy, numbers: Sequence[Number]) -> str:
    """Markdown: means with standard errors, and paired differences between the first method and the others."""
    methods = [*study.methods, RANDOM]
    shown = [figure for figure in FIGURES if any(each.figure == figure for each in numbers)]
    rows, pairs = [], []
    for depth in sorted(study.depths):
        values = {
            method: [by_seed(numbers, method=method, depth=depth, figure=figure) for figure in shown]
            for method in methods
        }
        first = values[methods[0]]
        for method, own in values.items():
            rows += _row(depth, title(study, method), [mean(each.values()) for each in own], shown)
        for method in methods[1:]:
            name = f"{title(study, methods[0])} − {title(study, method)}"
            pairs += _row(depth, name, list(map(paired, first, values[method])), shown, sign=True)
    heads = [FIGURES[figure][0] for figure in shown]
    text = "Top-1 in percent; mean over the seeds ± its standard error.\n\n"
    text += markdown_table(["blocks", "method", "seeds", *heads], rows)
    if pairs:
        text += "\n\nPaired differences, seed by seed: their mean ± its standard error.\n\n"
        text += markdown_table(["blocks", "difference", "seeds", *heads], pairs)
    return text + _costs(study)


def _row(
    depth: int, name: str, means: Sequence[Mean | None], shown: Sequence[str], sign: bool = False
) -> list[list[str]]:
    """A table's row; none where there is no number."""
    counts = sorted({each.number for each in means if each})
    cells = [
        "–" if each is None else each.text(FIGURES[figure][1], sign) for each, figure in zip(means, shown, strict=True)
    ]
    return [[str(depth), name, "–".join(map(str, dict.fromkeys((counts[0], counts[-1])))), *cells]] if counts else []


def _costs(study: DepthStudy) -> str:
    """What the methods' pre-training costs, one beside the other, from the measurements and the steps' records."""
    heads = ["blocks", "method", "GFLOP an image", "images/s", "step's time, of the first's", "processor minutes"]
    rows = []
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
            rows.append([str(depth), title(study, method), *cells, minutes.text() if minutes else "–"])
    note = (
        "Costs of pre-training: measured in a few steps (speed_*/speed.json), and what whole trainings took (steps/)."
    )
    return f"\n\n{note}\n\n{markdown_table(heads, rows)}"


def write_results(study: DepthStudy, numbers: Sequence[Number]) -> list[Path]:
    """Write the tables and plots of what there is; returns the files."""
    out, methods = study.work_dir, [*study.methods, RANDOM]
    files: dict[Path, str | bytes] = {}
    files[out / "numbers.csv"] = as_csv(Number._fields, numbers)
    files[out / "tables.md"] = tables(study, numbers)
    lines: dict[str, list[Line]] = {}
    for figure in ("knn_last", "linear_last", "top1"):
        for method in methods:
            points = {
                depth: found
                for depth in study.depths
                if (found := mean(by_seed(numbers, method=method, depth=depth, figure=figure).values()))
            }
            lines.setdefault(FIGURES[figure][0], []).append(Line(title(study, method), points, method == RANDOM))
    if any(line.points for panel in lines.values() for line in panel):
        files[out / "depths.png"] = encode_figure(plot_lines(lines, "blocks of the encoder", "top-1 accuracy (%)"))
    depth = max((each.depth for each in numbers if each.figure == "knn"), default=0)  # the deepest that was probed
    curves = []
    for method in methods:
        own = [each for each in numbers if (each.method, each.depth) == (method, depth)]
        means = {
            block: {f"{kind}_top1": mean(by_seed(own, figure=kind, block=block).values()) for kind in ("knn", "linear")}
            for block in sorted({each.block for each in own if each.figure == "knn"})
        }
        figures = {block: {key: each.value for key, each in two.items() if each} for block, two in means.items()}
        errors = {block: {key: each.error or 0.0 for key, each in two.items() if each} for block, two in means.items()}
        if seeds := by_seed(own, figure="knn_last"):
            curves.append(
                DepthCurve(f"{title(study, method)} ({len(seeds)})", figures, depth, method == RANDOM, errors)
            )
    if curves:
        name = f"{depth} blocks, mean over the seeds (their number) and its standard error"
        files[out / "blocks.png"] = encode_figure(plot_depth(curves, title=name))
    for path, content in files.items():
        write_file(path, content)
    return list(files)
