"""Data sets of Shapes on the disk."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirl_mm.rle import encode_rle
from mirl_mm.shapes import CLASSES, SceneStyle, generate, generation, make_scene

SIZE = (40, 56)
SMALL = {"num_train": 10, "num_val": 8, "size": SIZE, "seed": 4, "workers": 1}
TOOL = Path(__file__).parents[2] / "tools" / "dataset_converters" / "generate_shapes.py"


def decode_rle(rle: dict[str, list[int]]) -> np.ndarray:
    values = np.arange(len(rle["counts"])) % 2 == 1
    return np.repeat(values, rle["counts"]).reshape(rle["size"], order="F")


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return generate(tmp_path_factory.mktemp("data") / "shapes", **SMALL)


@pytest.fixture
def no_drawing(monkeypatch):
    """Any attempt to make a scene fails."""

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(generation, "make_scene", fail)


MASKS = [
    np.zeros((5, 7), bool),
    np.ones((5, 7), bool),
    np.indices((4, 6)).sum(axis=0) % 2 == 0,
    np.indices((4, 6)).sum(axis=0) % 2 == 1,
    np.random.default_rng(0).random((9, 4)) < 0.3,
]


@pytest.mark.parametrize("mask", MASKS)
def test_run_lengths_decode_to_the_mask(mask):
    assert np.array_equal(decode_rle(encode_rle(mask)), mask)


@pytest.mark.parametrize("mask", MASKS)
def test_pycocotools_reads_the_run_lengths(mask):
    coco_mask = pytest.importorskip("pycocotools.mask")
    compressed = coco_mask.frPyObjects(encode_rle(mask), *mask.shape)
    assert np.array_equal(coco_mask.decode(compressed).astype(bool), mask)


@pytest.mark.parametrize(("split", "count"), [("train", 10), ("val", 8)])
def test_folder_layout(written, split, count):
    root = written / "folder" / split
    assert sorted(path.name for path in root.iterdir()) == list(CLASSES)
    files = {path.name: path for path in root.rglob("*.jpg")}
    assert len(files) == count
    for index in range(count):
        scene = make_scene(4, split, index, SIZE)
        path = files[f"{index:08d}.jpg"]
        assert path.parent.name == CLASSES[scene.subject - 1]
        decoded = np.asarray(Image.open(path)).astype(int)
        assert np.abs(decoded - scene.image).mean() < 6


@pytest.mark.parametrize(("split", "folder", "count"), [("train", "train2017", 10), ("val", "val2017", 8)])
def test_coco_layout(written, split, folder, count):
    content = json.loads((written / "coco" / "annotations" / f"instances_{folder}.json").read_text())
    assert [(c["id"], c["name"]) for c in content["categories"]] == list(enumerate(CLASSES, start=1))
    assert [image["id"] for image in content["images"]] == list(range(1, count + 1))
    ids = [annotation["id"] for annotation in content["annotations"]]
    assert ids == list(range(1, len(ids) + 1))
    for index, image in enumerate(content["images"]):
        assert (image["height"], image["width"]) == SIZE
        assert Image.open(written / "coco" / folder / image["file_name"]).size == SIZE[::-1]
        scene = make_scene(4, split, index, SIZE)
        annotations = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        for annotation, instance in zip(annotations, scene.instances, strict=True):
            assert annotation["category_id"] == instance.label
            assert tuple(annotation["bbox"]) == instance.bbox
            assert annotation["area"] == instance.mask.sum()
            assert annotation["iscrowd"] == 0
            assert np.array_equal(decode_rle(annotation["segmentation"]), instance.mask)


def test_pycocotools_reads_and_scores_the_annotations(written):
    coco_module = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    mask_module = pytest.importorskip("pycocotools.mask")
    coco = coco_module.COCO(str(written / "coco" / "annotations" / "instances_val2017.json"))
    perfect = []
    for annotation in coco.dataset["annotations"]:
        rle = coco.annToRLE(annotation)
        assert mask_module.area(rle) == annotation["area"]
        assert mask_module.toBbox(rle).tolist() == annotation["bbox"]
        perfect.append(
            {
                "image_id": annotation["image_id"],
                "category_id": annotation["category_id"],
                "bbox": annotation["bbox"],
                "segmentation": {**rle, "counts": rle["counts"].decode()},
                "score": 0.9,
            }
        )
    for kind in ("bbox", "segm"):
        evaluation = cocoeval.COCOeval(coco, coco.loadRes(perfect), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        assert evaluation.stats[0] == pytest.approx(1)


@pytest.mark.parametrize(("split", "folder", "count"), [("train", "training", 10), ("val", "validation", 8)])
def test_ade_layout(written, split, folder, count):
    names = (written / "ade" / "classes.txt").read_text().splitlines()
    assert names == ["background", *CLASSES]
    labels = sorted((written / "ade" / "annotations" / folder).iterdir())
    images = sorted((written / "ade" / "images" / folder).iterdir())
    assert [path.stem for path in labels] == [path.stem for path in images] == [f"{i:08d}" for i in range(count)]
    for index, path in enumerate(labels):
        label = Image.open(path)
        assert label.mode == "L"
        assert np.array_equal(np.asarray(label), make_scene(4, split, index, SIZE).semantic + 1)


def test_some_of_the_classes_in_all_layouts(tmp_path):
    names = ("heart", "ring")
    written = generate(tmp_path / "few", **SMALL, style=SceneStyle(classes=names))
    assert sorted(path.name for path in (written / "folder/train").iterdir()) == list(names)
    content = json.loads((written / "coco/annotations/instances_val2017.json").read_text())
    assert [(c["id"], c["name"]) for c in content["categories"]] == [(1, "heart"), (2, "ring")]
    assert {annotation["category_id"] for annotation in content["annotations"]} == {1, 2}
    assert (written / "ade/classes.txt").read_text().split() == ["background", *names]
    assert set(np.unique(Image.open(written / "ade/annotations/training/00000001.png"))) <= {1, 2, 3}


def test_layouts_share_the_very_same_images(written):
    files = tree(written)
    for index in range(10):
        name = f"{index:08d}.jpg"
        copies = {
            data
            for path, data in files.items()
            if path.endswith(name) and ("/train/" in path or "/train2017/" in path or "/images/training/" in path)
        }
        assert len(copies) == 1


def test_only_the_layouts_asked_for_are_written(tmp_path):
    out = generate(tmp_path / "a", **{**SMALL, "num_train": 3, "num_val": 0}, layouts=["ade"])
    assert sorted(path.name for path in out.iterdir()) == ["ade", "shapes.json"]
    assert [path.name for path in (out / "ade" / "images").iterdir()] == ["training"]


def test_files_depend_neither_on_workers_nor_on_other_images(tmp_path):
    settings = {"num_val": 8, "size": (32, 32)}
    one = tree(generate(tmp_path / "one", num_train=70, workers=1, **settings))
    three = tree(generate(tmp_path / "three", num_train=70, workers=3, **settings))
    assert one == three and len(one) == 78 * 4 + 4
    fewer = tree(generate(tmp_path / "fewer", num_train=20, workers=1, **settings))
    images = {path for path in fewer if path.endswith((".jpg", ".png"))}
    assert images < set(one) and all(fewer[path] == one[path] for path in images)


def test_a_second_call_returns_at_once(written, no_drawing):
    before = tree(written)
    assert generate(written, **SMALL, layouts=["coco", "ade", "folder"]) == written
    assert tree(written) == before


def test_other_settings_are_an_error_unless_overwriting(tmp_path):
    out = generate(tmp_path / "shapes", **SMALL)
    before = tree(out)
    changed = {**SMALL, "seed": 5, "num_val": 9}
    with pytest.raises(FileExistsError, match=r"num_val is 8, asked for 9; seed is 4, asked for 5.*--overwrite"):
        generate(out, **changed)
    assert tree(out) == before
    generate(out, **changed, overwrite=True)
    assert json.loads((out / "shapes.json").read_text())["seed"] == 5
    assert len(list((out / "coco" / "val2017").iterdir())) == 9
    assert leftovers(tmp_path) == ["shapes"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_files_of_another_origin_are_never_touched(tmp_path, overwrite):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"mine exists and was not made by the Shapes generator"):
        generate(tmp_path / "mine", **SMALL, overwrite=overwrite)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_file_in_the_way_is_an_error(tmp_path):
    (tmp_path / "shapes").write_text("a file")
    with pytest.raises(FileExistsError, match="was not made by the Shapes generator"):
        generate(tmp_path / "shapes", **SMALL)


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "shapes").mkdir()
    assert (generate(tmp_path / "shapes", **SMALL) / "shapes.json").is_file()


def test_a_failure_leaves_nothing_behind(tmp_path, no_drawing):
    with pytest.raises(OSError, match="disk full"):
        generate(tmp_path / "shapes", **SMALL)
    assert leftovers(tmp_path) == []


def test_a_failed_overwrite_keeps_the_old_data(tmp_path, monkeypatch, request):
    out = generate(tmp_path / "shapes", **SMALL)
    before = tree(out)
    request.getfixturevalue("no_drawing")
    with pytest.raises(OSError, match="disk full"):
        generate(out, **{**SMALL, "seed": 5}, overwrite=True)
    assert tree(out) == before and leftovers(tmp_path) == ["shapes"]


def test_calls_at_the_same_time_do_the_work_once(tmp_path, monkeypatch):
    made = []

    def counted(*args):
        made.append(args)
        return make_scene(*args)

    monkeypatch.setattr(generation, "make_scene", counted)
    threads = [threading.Thread(target=generate, args=[tmp_path / "shapes"], kwargs=SMALL) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == SMALL["num_train"] + SMALL["num_val"]
    assert leftovers(tmp_path) == ["shapes"]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait_until(condition, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_kill_leaves_no_data_set_and_no_workers(tmp_path):
    out = tmp_path / "shapes"
    command = [sys.executable, TOOL, out, "--num-train", "100000", "--size", "32", "32", "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until(lambda: any((tmp_path / ".shapes.partial" / "coco").rglob("*.jpg")))
        workers = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        assert len(workers) == 2
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    _wait_until(lambda: not any(_is_running(pid) for pid in workers))
    assert leftovers(tmp_path) == [".shapes.partial"]
    generate(out, **SMALL)
    assert leftovers(tmp_path) == ["shapes"]
    assert len(list((out / "coco" / "train2017").iterdir())) == SMALL["num_train"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_train": -1}, "num_train=-1"),
        ({"num_val": 7}, "num_val=7: an image folder needs an image of each class; ask for 0 or for at least 8"),
        ({"num_train": 0, "num_val": 0}, "nothing to write"),
        ({"size": (64, 16)}, r"size=\(64, 16\)"),
        ({"layouts": ["coco", "voc"]}, r"layouts=\['coco', 'voc'\]: choose one or more of folder, coco, ade"),
        ({"layouts": "coco"}, "layouts='coco'"),
        ({"layouts": []}, r"layouts=\[\]"),
        ({"seed": -3}, "seed=-3"),
        ({"workers": 0}, "workers=0"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_written(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        generate(tmp_path / "new" / "shapes", **{**SMALL, **change})
    assert not (tmp_path / "new").exists()


def test_command_line(tmp_path):
    command = [sys.executable, TOOL, tmp_path / "a" / "shapes", "--num-train", "4", "--num-val", "0"]
    command += ["--size", "32", "48", "--layouts", "coco", "--max-objects", "1", "--workers", "1"]
    command += ["--classes", "ring", "cross"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "4 + 0 images, coco" in done.stdout and not done.stderr.strip()  # the bar is for terminals
    settings = json.loads((tmp_path / "a" / "shapes" / "shapes.json").read_text())
    assert settings["size"] == [32, 48] and settings["max_objects"] == 1
    assert settings["classes"] == ["cross", "ring"]  # whatever the order they were asked for in

    refused = subprocess.run([*command, "--seed", "1"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ") and "seed is 0, asked for 1" in refused.stderr
