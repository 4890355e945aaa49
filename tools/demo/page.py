"""The page that the demo ends with: one HTML file that needs nothing else."""

import time
from collections.abc import Sequence
from pathlib import Path
from string import Template

from mirl_mm.file_backend import AtomicLocalBackend

from . import markup
from .display import duration
from .environment import facts
from .plan import CLASSES, Settings, Task
from .results import Row, comparison
from .sections import depth_probe, detection, fine_tuning, pretraining, segmentation
from .step import Ledger, Step
from .times import Span, timeline

_HERE = Path(__file__).parent
_TITLE = "What pre-training is worth"


def write_page(path: Path, settings: Settings, steps: Sequence[Step], ledger: Ledger) -> None:
    """Write the page of a demo whose steps are all done."""
    places, total = timeline({step.name: ledger.records[step.name] for step in steps})
    rows = comparison(settings)
    body = [
        _header(settings, total),
        _result(settings, rows),
        _what_was_done(settings),
        pretraining(settings),
        depth_probe(settings),
        detection(settings),
        segmentation(settings),
        fine_tuning(settings),
        _steps(steps, ledger, places, total),
        _environment(),
    ]
    page = Template((_HERE / "page.html").read_text()).substitute(
        title=f"mirl_mm: {_TITLE}",
        style=(_HERE / "page.css").read_text(),
        body="\n".join(body),
        date=time.strftime("%d %B %Y"),
    )
    AtomicLocalBackend().put_text(page, path)


def _header(settings: Settings, total: float) -> str:
    lead = (
        f"A Vision Transformer of 24 blocks looked at {settings.num_images[0]:,} generated images without labels and "
        f"learnt to fill in what was masked (MIRL). Then it was taught to classify, detect and segment, beside a twin "
        f"that had seen nothing before. All of it ran on this machine in {duration(total)}."
    )
    eyebrow = markup.text("p", "mirl_mm: Masked Image Residual Learning", class_="eyebrow")
    return markup.tag("header", eyebrow + markup.text("h1", _TITLE) + markup.text("p", lead, class_="lead"))


def _result(settings: Settings, rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        name = f"{markup.escape(row.task.title)}<small>{markup.escape(row.metric)}</small>"
        bars = _bar("from MIRL", row.mirl, "--series-1") + _bar("from random weights", row.random, "--series-2")
        lines.append((name, markup.tag("div", bars, class_="bars"), f"{row.gain:+.1f}"))
    head = ("", "percent, on unseen images", "difference")
    note = (
        f"Measured on {settings.num_images[1]:,} images that no training has seen, one run each (seed 0), so a "
        "difference of a point or two means nothing. Both starts have the same config, data, seed, learning rates and "
        "number of updates; the only difference is where the encoder's weights come from. The pre-training's own time "
        "comes on top, but it is spent once for all three tasks, and needs no labels. Guessing gives a top-1 accuracy "
        f"of {100 / len(CLASSES):.0f}: where an image has one label in all, its classes are learnt the slowest."
    )
    key = (
        '<ul class="legend"><li><span class="key" style="--key: var(--series-1)"></span>from MIRL</li>'
        '<li><span class="key" style="--key: var(--series-2)"></span>from random weights</li></ul>'
    )
    table = markup.table(head, lines, class_="results")
    return markup.section("result", "Pre-trained against random", key, table, _p(note))


def _bar(name: str, value: float, colour: str) -> str:
    width = f"calc({max(value, 0):.1f}% * 0.8)"
    return (
        f'<div class="bar" title="{name}: {value:.1f}" style="--key: var({colour})"><i style="width: {width}"></i>'
        f"<span>{value:.1f}</span></div>"
    )


def _what_was_done(settings: Settings) -> str:
    train, val = settings.num_images
    tasks = ", ".join(f"{_length(task)} for the {task.model}" for task in settings.tasks)
    items = [
        f"{train:,} training and {val:,} validation images of 64 × 64 pixels were generated: up to three textured "
        "shapes of four classes on a textured ground, with labels for each task.",
        f"MIRL pre-trained the encoder for {settings.epochs} epochs. It hides three quarters of each image's patches. "
        "The 24 blocks are six segments in three pairs: of each pair, the shallow segment predicts the hidden patches "
        "(main), and the deep one what is still missing (residual). That gives the deep blocks a task of their own.",
        "After every second block the frozen features were judged, without any training of the encoder.",
        f"From that one checkpoint, and from random weights, three models were fine-tuned: {tasks}.",
    ]
    return markup.section("done", "What was done", markup.tag("ol", "".join(markup.text("li", item) for item in items)))


def _length(task: Task) -> str:
    return f"{task.length:,} {task.unit.removesuffix('s') if task.length == 1 else task.unit}"


def _steps(steps: Sequence[Step], ledger: Ledger, places: dict[str, list[Span]], total: float) -> str:
    cpu = sum(ledger.records[step.name].cpu for step in steps)
    intro = (
        f"The steps took {duration(total)} together and {duration(cpu)} of processor time; two ran at "
        "a time where they don't need each other. Each is one or two of the repository's tools; the commands can be "
        "repeated as they are, from the repository's folder."
    )
    entries = []
    for step in steps:
        record = ledger.records[step.name]
        when = f"{duration(record.wall)} ({duration(record.cpu)} of processor time)"
        summary = f'{markup.escape(step.title)} <span class="when">{markup.escape(when)}</span>'
        lane = "".join(
            f'<i style="left: {100 * start / total:.2f}%; width: {100 * (end - start) / total:.2f}%"></i>'
            for start, end in places[step.name]
        )
        commands = "".join(markup.tag("pre", markup.text("code", str(each)), class_="wrap") for each in step.commands)
        configs = [
            markup.details(markup.text("code", str(path)), markup.code(path.read_text())) for path in step.configs
        ]
        more = [_p("Its config, and what that inherits:"), *configs] if configs else []
        lane_html = markup.tag("div", lane, class_="lane", aria_hidden="true")
        entries.append(markup.details(summary + lane_html, commands, *more))
    return markup.section("steps", "Commands, configs and times", _p(intro), *entries)


def _environment() -> str:
    items = "".join(markup.text("dt", name) + markup.text("dd", value) for name, value in facts().items())
    return markup.section("environment", "Environment", markup.tag("dl", items))


def _p(content: str) -> str:
    return markup.text("p", content)
