"""The demo's page, from results that were made up: its figures, pictures and commands, and how a browser sees it."""

import html
import json
from dataclasses import replace

import pytest
from PIL import Image

from mirl_mm.shapes import EASY_STYLE, generate
from tests.tools.browser import assert_sound
from tests.tools.scripts import load_demo

coco = pytest.importorskip("pycocotools.mask")  # it comes with mmdet, which the demo needs

plan, page, pictures = load_demo("plan"), load_demo("page"), load_demo("pictures")
RESULTS = {"mirl": (0.612, 0.5, 71.25, 90.0, 88.5), "random": (0.401, 0.3, 60.0, 80.0, 92.0)}


def write_scalars(folder, train, val):
    log = folder / "20260101_000000/vis_data/scalars.json"
    log.parent.mkdir(parents=True)
    lines = [{"iter": 10 * i, "step": 10 * i, **{name: v[i - 1] for name, v in train.items()}} for i in (1, 2, 3)]
    log.write_text("\n".join(json.dumps(line) for line in [*lines, {"step": 3, **val}]) + "\n")


def write_found(work_dir, start):
    """What is there, as found by a model; that from random weights misses the second image's."""
    truth = json.loads((work_dir / "shapes/coco/annotations/instances_val2017.json").read_text())
    objects, regions = [], []
    for i, image in enumerate(truth["images"][:3]):
        there = [] if start == "random" and i == 1 else truth["annotations"]
        there = [entry for entry in there if entry["image_id"] == image["id"]]
        rles = [coco.frPyObjects(entry["segmentation"], *entry["segmentation"]["size"]) for entry in there]
        found = {
            "img_path": str(work_dir / "shapes/coco/val2017" / image["file_name"]),
            "boxes": [[x, y, x + w, y + h] for x, y, w, h in (entry["bbox"] for entry in there)],
            "scores": [0.75 for _ in there],
            "names": [plan.CLASSES[entry["category_id"] - 1] for entry in there],
            "masks": [{"size": rle["size"], "counts": rle["counts"].decode()} for rle in rles],
        }
        objects.append(found)
        mask = work_dir / f"shapes/ade/annotations/validation/{image['file_name'].removesuffix('.jpg')}.png"
        regions.append({"img_path": found["img_path"], "mask_path": str(mask)})
    for task, content in (("det", objects), ("seg", regions)):
        (work_dir / f"{task}_{start}_found").mkdir()
        (work_dir / f"{task}_{start}_found/found.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Steps of a demo that is done, but for the trainings, by name; and its page's path."""
    work_dir = tmp_path_factory.mktemp("demo")
    style = replace(EASY_STYLE, classes=plan.CLASSES)
    generate(work_dir / "shapes", num_train=8, num_val=8, size=(64, 64), style=style, workers=1)
    pairs = {"pair_1_6": [1.3, 0.8, 0.55], "pair_2_5": [1.2, 0.7, 0.54], "pair_3_4": [1.2, 0.7, 0.53]}
    write_scalars(work_dir / "pretrain", pairs | {"loss": [1.2, 0.7, 0.54]}, dict.fromkeys([*pairs, "loss"], 0.6))
    (work_dir / "reconstruction").mkdir()
    Image.new("RGB", (1300, 400), "grey").save(work_dir / "reconstruction/reconstruction.png")
    names = ("coco/bbox_mAP", "coco/segm_mAP", "mIoU", "aAcc", "accuracy/top1")
    for start, ends in RESULTS.items():
        for task in ("det", "seg", "cls"):
            write_scalars(work_dir / f"{task}_{start}", {"loss": [3.0, 2.0, 1.5]}, dict(zip(names, ends, strict=True)))
        write_found(work_dir, start)
    depths = {depth: {"knn_top1": 20.0 + depth, "linear_top1": 40.0 - abs(12 - depth)} for depth in range(0, 25, 4)}
    probed = {"segments": 6, "blocks": 24, "images": [8, 8], "depths": depths}
    (work_dir / "depth_probe").mkdir()
    content = {"encoders": [{"name": name, **probed} for name in ("MIRL", "random weights")]}
    (work_dir / "depth_probe/depth_probe.json").write_text(json.dumps(content))
    settings = plan.Settings(work_dir, (16, 8), 60, (1, 30, 30))
    steps = {step.name: step for step in plan.make_plan(settings)}
    for i, step in enumerate(steps.values()):
        step.cpu, step.spans = 60.0, [[100.0 * i, 100.0 * i + 130]]
    (work_dir / "steps").mkdir()
    steps["environment"].log.write_text("cpu  made up <fast>")
    page.write_page(work_dir / "index.html", settings, list(steps.values()))
    return steps, work_dir / "index.html"


def test_a_browser_shows_it_on_desktop_and_phone(demo, tmp_path):
    seen = assert_sound(demo[1], tmp_path)
    for view in seen.values():
        assert view["images"] == 3 + 3 + 2 * 3 * 3  # plots and reconstructions, and three pictures of each sample
        assert view["headings"][1:3] == ["Pre-trained against random", "What was done"]


def test_figures_are_the_logs(demo):
    steps, path = demo
    rows = {row[:2]: row[2:] for row in page.comparison(path.parent)}
    assert rows["Detection", "box AP"] == (pytest.approx(61.2), pytest.approx(40.1))
    assert rows["Classification", "top-1 accuracy"] == (88.5, 92.0)
    text = path.read_text()
    for mirl, random in rows.values():
        assert f">{mirl:.1f}<" in text.replace("</i>", ">") and f">{mirl - random:+.1f}<" in text
    assert "0.550" in text  # pair 1+6, at the end
    assert "MIRL: best 40.0 after 12 blocks, last 28.0" in text
    assert steps["pretrain"].progress() == (0.5, "loss 0.540")  # 30 of 60 updates


def test_every_command_and_config_is_there(demo):
    text = html.unescape(demo[1].read_text())
    for step in demo[0].values():
        assert step.command in text and (step.config is None or step.config.read_text().strip() in text)
    assert "\nconfigs/_base_/default_runtime.py\n" in text  # what configs inherit
    assert "made up <fast>" in text


def test_pictures_say_what_is_in_them(demo):
    found = [seen for _, seen in pictures.detections(demo[1].parent)]
    assert [list(seen) for seen in found] == [["truth", "from MIRL", "from random"]] * 3
    assert found[0]["from MIRL"][1] == ", ".join(f"{name} 75%" for name in found[0]["truth"][1].split(", "))
    assert found[1]["from random"][1] == "nothing"
    assert found[0]["from MIRL"][0].shape == (256, 256, 3)
    assert (found[0]["from MIRL"][0] == found[0]["truth"][0]).all()
    regions = [seen for _, seen in pictures.segmentations(demo[1].parent)]
    for objects, areas in zip(found, regions, strict=True):
        assert {word.split()[0] for word in areas["truth"][1].split(", ")} == set(objects["truth"][1].split(", "))
        assert (areas["from MIRL"][0] == areas["truth"][0]).all()
