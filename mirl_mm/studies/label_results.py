"""What came out of a comparison of pre-trainings: each number with its log, a table, lines for the plot."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mirl_mm.file_backend import write_file
from mirl_mm.text import markdown_table
from mirl_mm.visualization.curves import encode_figure
from mirl_mm.visualization.scalars import log_files, read_scalars

from .labels import LabelStudy
from .line_plot import Line, plot_lines
from .running import duration
from .summary import as_csv, by_seed, mean, paired

#: Scores in logs to their titles, and what makes percent of them.
SCORES = {
    "accuracy/top1": ("top-1", 1),
    "ema/accuracy/top1": ("top-1, average", 1),
    "coco/bbox_mAP": ("box AP", 100),
    "coco/segm_mAP": ("mask AP", 100),
    "mIoU": ("mIoU", 1),
}


class Score(NamedTuple):
    """One number.

    Attributes:
        start: Of the study.
        share: Of the labels.
        images: That are labelled.
        seed: Of the run.
        score: Of :data:`SCORES`.
        value: Percent, in the last validation.
        seconds: That the training took.
        processor_seconds: Likewise.
        source: The file that has it.
    """

    start: str
    share: float
    images: int
    seed: int
    score: str
    value: float
    seconds: float
    processor_seconds: float
    source: str


def collect(study: LabelStudy) -> list[Score]:
    """All scores of the trainings that are done."""
    found = []
    for (start, share, seed), step in study.steps.items():
        if step.done:
            values, log = read_scalars(step.folder).val, str(log_files(step.folder)[-1])
            costs = step.wall, step.cpu
            for key, (_, scale) in SCORES.items():
                if key in values:
                    value = scale * values[key][-1][1]
                    found.append(Score(start, share, study.number(share), seed, key, value, *costs, log))
    return found


def table(study: LabelStudy, scores: Sequence[Score]) -> str:
    """Markdown: means with standard errors, differences to the last start, and costs."""
    keys = [key for key in SCORES if any(each.score == key for each in scores)]
    base = list(study.starts)[-1]
    others = [start for start in study.starts if start != base]
    heads = ["labelled images", "figure", *study.starts, *(f"{start} − {base}" for start in others), "time a run"]
    rows = []
    for share in sorted(study.shares):
        for key in keys:
            values = {start: by_seed(scores, start=start, share=share, score=key) for start in study.starts}
            means = [mean(each.values()) for each in values.values()]
            pairs = [paired(values[start], values[base]) for start in others]
            if not any(means):
                continue
            seconds = mean([each.seconds for each in scores if each.share == share and each.score == key])
            rows.append(
                [
                    f"{study.number(share):,} ({100 * share:g} %)",
                    SCORES[key][0],
                    *("–" if each is None else f"{each.text()} ({each.number})" for each in means),
                    *("–" if each is None else each.text(sign=True) for each in pairs),
                    duration(seconds.value) if seconds else "–",
                ]
            )
    note = "Percent; mean over the seeds ± its standard error (their number), and paired differences."
    return f"{note}\n\n{markdown_table(heads, rows)}"


def write_results(study: LabelStudy, scores: Sequence[Score]) -> list[Path]:
    """Write table, numbers and plot of what there is; returns the files."""
    panels = {}
    for key, (title, _) in SCORES.items():
        lines = []
        for start in study.starts:
            points = {
                study.number(share): found
                for share in study.shares
                if (found := mean(by_seed(scores, start=start, share=share, score=key).values()))
            }
            lines.append(Line(start, points, study.starts[start] is None))
        panels[title] = lines
    files: dict[Path, str | bytes] = {
        study.work_dir / "scores.csv": as_csv(Score._fields, scores),
        study.work_dir / "table.md": table(study, scores),
        study.work_dir / "scores.png": encode_figure(plot_lines(panels, "labelled images", "percent", log=True)),
    }
    for path, content in files.items():
        write_file(path, content)
    return list(files)
