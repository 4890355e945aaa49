"""The parts of the page with plots and pictures."""

from collections.abc import Sequence

from mirl_mm.visualization.scalars import loss_names, read_scalars, term_title

from . import markup
from .figures import FOURTH, MIRL, RANDOM, THIRD, Line, legend_of, plot
from .pictures import Picture, Sample, class_names, colour_of, detections, segmentations
from .plan import Settings
from .results import ProbeCurve, read_probe

_PROBES = {"knn_top1": "k-NN", "linear_top1": "linear classifier"}


def pretraining(settings: Settings) -> str:
    """Loss curves and reconstructions."""
    scalars = read_scalars(settings.checkpoint.parent)
    names = [name for name in loss_names([scalars]) if name != "loss"]
    titles = {name: term_title(name) for name in names}
    colours = dict(zip(names, (MIRL, THIRD, FOURTH), strict=False))
    lines = [Line(titles[name], scalars.train[name], colours[name]) for name in names]
    marks = [Line(f"{titles[name]}, unseen images", scalars.val[name], colours[name], dots=True) for name in names]
    last = ", ".join(f"{titles[name]} {scalars.train[name][-1][1]:.3f}" for name in names)
    alt = f"The loss of each pair over the updates of the pre-training; at its end {last}."
    curves = markup.figure(
        legend_of(lines) + plot([*lines, *marks], "pretrain", alt, "update", "loss"),
        "Mean squared error at the hidden patches, in units of each patch's own deviation: 1 is what the patch's mean "
        f"would score. At the end: {last}. Dots: unseen images, which are not cropped and flipped as those of the "
        "training are.",
        class_="beside",
    )
    png = (settings.checkpoint.parent / "reconstruction.png").read_bytes()
    alt = "Unseen images, what the model sees of them, and for each pair of segments main, residual and their sum."
    grid = markup.figure(
        markup.tag("div", markup.image(png, alt), class_="scroll wide", tabindex="0"),
        "Unseen images. Each pair's <em>sum</em> is <em>main</em>, from the shallow segment, and <em>residual</em>, "
        "from the deep one, added.",
    )
    return markup.section("pretraining", "Pre-training", curves, grid)


def depth_probe(settings: Settings) -> str:
    """Accuracy of frozen features after some of the blocks."""
    probe = read_probe(settings.work_dir / "depth_probe/depth_probe.json")
    depth = max(point[0] for curve in probe.curves for point in curve.figures["knn_top1"])
    borders = range(0, depth + 1, depth // probe.segments) if depth % probe.segments == 0 else ()
    panels = []
    for key, title in _PROBES.items():
        lines = [Line(c.name, c.figures[key], MIRL if i == 0 else RANDOM, i > 0) for i, c in enumerate(probe.curves)]
        alt = f"Accuracy of a {title} on frozen features by depth. " + " ".join(_peak(c, key) for c in probe.curves)
        panels.append(plot(lines, f"probe-{key[:3]}", alt, "depth in blocks", f"{title}: top-1 (%)", list(borders)))
    peaks = "; ".join(_peak(curve, "linear_top1").rstrip(".") for curve in probe.curves)
    train, val = probe.images
    caption = (
        f"Which shape is the largest, told from the frozen features after so many blocks, by {train:,} labelled "
        f"images, on {val:,} unseen ones. On top: the segments. Linear classifier: {peaks}."
    )
    inner = legend_of(lines) + markup.tag("div", "".join(panels), class_="panels")
    return markup.section("probe", "What each depth knows", markup.figure(inner, markup.escape(caption)))


def _peak(curve: ProbeCurve, key: str) -> str:
    depth, best = max(curve.figures[key], key=lambda point: point[1])
    return f"{curve.name}: best {best:.1f} after {depth} blocks, {curve.figures[key][-1][1]:.1f} at the end."


def detection(settings: Settings) -> str:
    """Objects found in unseen images."""
    intro = "Objects in unseen images, above a score of 50 %: boxes, masks and classes, whose colours are these."
    return markup.section("detections", "Detections", *_pictures(detections(settings), class_names(settings), intro))


def segmentation(settings: Settings) -> str:
    """Regions of unseen images."""
    intro = (
        "The class of each pixel in the same images, with each class's share of the area; background is left as it is."
    )
    return markup.section(
        "segmentations", "Segmentations", *_pictures(segmentations(settings), class_names(settings), intro)
    )


def _pictures(samples: Sequence[Sample], names: Sequence[str], intro: str) -> list[str]:
    chips = (
        f'<li><span class="key chip" style="--key: rgb{colour_of(label)}"></span>{markup.escape(name)}</li>'
        for label, name in enumerate(names)
    )
    columns = ("truth", "truth"), ("from MIRL", "mirl"), ("from random", "random")
    cards = (
        markup.tag("li", "".join(_card(getattr(sample, key), title, sample.name) for title, key in columns))
        for sample in samples
    )
    return [
        markup.text("p", intro),
        f'<ul class="legend">{"".join(chips)}</ul>',
        markup.tag("ul", "".join(cards), class_="samples"),
    ]


def _card(picture: Picture, title: str, name: str) -> str:
    alt = f"{name}, {title}: {picture.words}"
    return markup.figure(markup.image(picture.pixels, alt), markup.text("b", title) + markup.escape(picture.words))


def fine_tuning(settings: Settings) -> str:
    """The trainings' losses, side by side."""
    panels = []
    for task in settings.tasks:
        mirl, random = (read_scalars(settings.model_dir(task, start)).train["loss"] for start in ("mirl", "random"))
        lines = [Line("from MIRL", mirl, MIRL), Line("from random weights", random, RANDOM, dashed=True)]
        alt = (
            f"{task.title}: loss over the updates; from MIRL {mirl[0][1]:.2f} to {mirl[-1][1]:.2f}, from random "
            f"weights {random[0][1]:.2f} to {random[-1][1]:.2f}."
        )
        panels.append(plot(lines, f"loss-{task.name}", alt, "update", f"{task.title}: training loss", width=3.5))
    inner = legend_of(lines) + markup.tag("div", "".join(panels), class_="panels")
    caption = "Each model's training loss, from the two starts: same data, order and learning rates."
    return markup.section("fine-tuning", "Fine-tuning", markup.figure(inner, caption))
