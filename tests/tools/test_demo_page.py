"""The demo's page, from results that were made up: its figures, pictures and commands, and how a browser sees it."""

import html
import json
import re

import pytest
from PIL import Image

from mirl_mm.datasets.shapes import EASY_STYLE, generate
from tests.tools.browser import assert_sound
from tests.tools.scripts import load_demo

pytest.importorskip("pycocotools")  # it comes with mmdet, which the demo needs

step_module, plan, page = load_demo("step"), load_demo("plan"), load_demo("page")
results, figures, pictures = load_demo("results"), load_demo("figures"), load_demo("pictures")


def write_scalars(folder, train, val):
    log = folder / "20260101_000000/vis_data/scalars.json"
    log.parent.mkdir(parents=True)
    lines = [{"iter": 10 * i, "step": 10 * i, **{name: v[i - 1] for name, v in train.items()}} for i in (1, 2, 3)]
    log.write_text("\n".join(json.dumps(line) for line in [*lines, {"step": 3, **val}]) + "\n")


def write_found(settings, start):
    """What is there, as found by a model; that from random weights misses the second image's."""
    from pycocotools import mask as coco

    truth = json.loads((settings.shapes / "coco/annotations/instances_val2017.json").read_text())
    classes = pictures.class_names(settings)
    objects, regions = [], []
    for i, image in enumerate(truth["images"][:3]):
        there = [] if start == "random" and i == 1 else truth["annotations"]
        there = [entry for entry in there if entry["image_id"] == image["id"]]
        rles = [coco.frPyObjects(entry["segmentation"], *entry["segmentation"]["size"]) for entry in there]
        x_y = [entry["bbox"] for entry in there]
        objects.append(
            {
                "img_path": str(settings.shapes / "coco/val2017" / image["file_name"]),
                "boxes": [[x, y, x + w, y + h] for x, y, w, h in x_y],
                "scores": [0.75 for _ in there],
                "names": [classes[entry["category_id"] - 1] for entry in there],
                "masks": [{"size": rle["size"], "counts": rle["counts"].decode()} for rle in rles],
            }
        )
        stem = image["file_name"].removesuffix(".jpg")
        mask = settings.shapes / f"ade/annotations/validation/{stem}.png"
        path = settings.shapes / f"ade/images/validation/{stem}.jpg"
        regions.append({"img_path": str(path), "mask_path": str(mask)})
    for task in settings.tasks:
        content = {"det": objects, "seg": regions, "cls": []}[task.name]
        settings.found(task, start).write_text(json.dumps(content))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Settings, steps and ledger of a demo that is done, but for the trainings."""
    settings = plan.Settings(tmp_path_factory.mktemp("demo"), (8, 8), 3, (1, 30, 30))
    generate(settings.shapes, num_train=8, num_val=8, size=(64, 64), style=EASY_STYLE, workers=1)
    pairs = {"pair_1_6": [1.3, 0.8, 0.55], "pair_2_5": [1.2, 0.7, 0.54], "pair_3_4": [1.2, 0.7, 0.53]}
    write_scalars(settings.checkpoint.parent, pairs | {"loss": [1.2, 0.7, 0.54]}, dict.fromkeys([*pairs, "loss"], 0.6))
    Image.new("RGB", (1300, 400), "grey").save(settings.checkpoint.parent / "reconstruction.png")
    figures_ = {"mirl": (0.612, 0.5, 71.25, 90.0, 88.5), "random": (0.401, 0.3, 60.0, 80.0, 92.0)}
    for start, (box, mask, iou, pixels, top1) in figures_.items():
        ends = {"coco/bbox_mAP": box, "coco/segm_mAP": mask, "mIoU": iou, "aAcc": pixels, "accuracy/top1": top1}
        for task in settings.tasks:
            write_scalars(settings.model_dir(task, start), {"loss": [3.0, 2.0, 1.5]}, ends)
        write_found(settings, start)
    depths = {
        str(depth): {"knn_top1": 20.0 + depth, "linear_top1": 40.0 - abs(12 - depth)} for depth in range(0, 25, 4)
    }
    encoders = [
        {"name": name, "segments": 6, "images": [8, 8], "depths": depths} for name in ("MIRL", "random weights")
    ]
    (settings.work_dir / "depth_probe").mkdir()
    (settings.work_dir / "depth_probe/depth_probe.json").write_text(json.dumps({"encoders": encoders}))
    steps = plan.make_plan(settings)
    ledger = step_module.Ledger.open(settings.work_dir / "steps", steps)
    for i, step in enumerate(steps):
        spans = [(100.0 * i, 100.0 * i + 130)]
        ledger.records[step.name] = step_module.Record(ledger.fingerprints[step.name], 2, 60.0, spans)
    return settings, steps, ledger


@pytest.fixture(scope="module")
def written(demo):
    settings, steps, ledger = demo
    page.write_page(settings.work_dir / "index.html", settings, steps, ledger)
    return settings.work_dir / "index.html"


def test_a_browser_shows_it_on_desktop_and_phone(written, tmp_path):
    seen = assert_sound(written, tmp_path)
    for view in seen.values():
        assert view["images"] == 1 + 2 * 3 * 3  # the reconstructions, and three pictures of each sample
        assert view["drawings"] == 1 + 2 + 3
        assert view["headings"][1:3] == ["Pre-trained against random", "What was done"]


def test_figures_are_the_logs(demo, written):
    settings, _, _ = demo
    rows = {(row.task.name, row.metric): row for row in results.comparison(settings)}
    assert rows["det", "box AP"].mirl == pytest.approx(61.2) and rows["det", "box AP"].random == pytest.approx(40.1)
    assert rows["cls", "top-1 accuracy"].gain == pytest.approx(-3.5)
    text = written.read_text()
    for row in rows.values():
        assert f">{row.mirl:.1f}<" in text and f">{row.random:.1f}<" in text and f">{row.gain:+.1f}<" in text
    assert "0.550" in text  # pair 1+6, at the end
    assert "MIRL: best 40.0 after 12 blocks, 28.0 at the end" in text


def test_every_command_and_config_is_there(demo, written):
    _, steps, _ = demo
    text = html.unescape(written.read_text())
    for step in steps:
        assert all(str(command) in text for command in step.commands)
        assert all(path.read_text() in text for path in step.configs)


def test_pictures_say_what_is_in_them(demo):
    settings, _, _ = demo
    found = pictures.detections(settings)
    assert len(found) == 3
    assert found[0].mirl.words == ", ".join(f"{name} 75%" for name in found[0].truth.words.split(", "))
    assert found[1].random.words == "nothing"
    assert found[0].mirl.pixels.shape == (256, 256, 3)
    assert (found[0].mirl.pixels == found[0].truth.pixels).all()
    regions = pictures.segmentations(settings)
    named = [set(re.findall(r"[a-z]+", sample.truth.words)) for sample in regions]
    assert named == [set(re.findall(r"[a-z]+", sample.truth.words)) for sample in found]
    assert (regions[0].mirl.pixels == regions[0].truth.pixels).all()


def test_plots_have_no_colour_of_their_own(written):
    drawn = figures.plot([figures.Line("a", [(0, 1), (5, 2)], figures.MIRL)], "x", 'a "b" <c>', "x", "y", [0, 5])
    assert 'aria-label="a &quot;b&quot; &lt;c&gt;"' in drawn
    assert "var(--series-1)" in drawn and "var(--ink-2)" in drawn
    assert not re.search(r"(?:stroke|fill): #", drawn)
    assert "DejaVu" not in re.sub(r'style="font[^"]*"', "", drawn)
