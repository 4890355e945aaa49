"""Our IoUMetric against counting with numpy."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from mirl_mm.outputs import OutputError
from mirl_mm.registry import METRICS


def metric_of(classes: int, **options):
    metric = METRICS.build({"type": "mirl_mm.IoUMetric", **options})
    metric.dataset_meta = {"classes": tuple(f"class {i}" for i in range(classes))}
    return metric


def samples(predicted: np.ndarray, labels: np.ndarray, **more) -> list[dict]:
    """What a segmentor gives."""
    return [
        {
            "pred_sem_seg": {"data": torch.from_numpy(p)[None]},
            "gt_sem_seg": {"data": torch.from_numpy(t)[None]},
            "img_path": f"images/{i}.jpg",
            **more,
        }
        for i, (p, t) in enumerate(zip(predicted, labels, strict=True))
    ]


def by_hand(predicted: np.ndarray, labels: np.ndarray, classes: int) -> dict:
    """The numbers from a confusion matrix in plain Python's arithmetic."""
    confusion = np.zeros((classes, classes), dtype=object)
    for p, t in zip(predicted.ravel().tolist(), labels.ravel().tolist(), strict=True):
        if t != 255:
            confusion[t, p] += 1
    ious, recalls = [], []
    for c in range(classes):
        hits, there, found = confusion[c, c], confusion[c].sum(), confusion[:, c].sum()
        ious.append(100 * hits / (there + found - hits) if there + found else None)
        recalls.append(100 * hits / there if there else None)
    known = [x for x in ious if x is not None], [x for x in recalls if x is not None]
    return {
        "mIoU": sum(known[0]) / len(known[0]),
        "mAcc": sum(known[1]) / len(known[1]),
        "aAcc": 100 * np.trace(confusion) / confusion.sum(),
        "IoU": ious,
    }


def random_masks(seed: int, classes: int, shape=(3, 20, 31)) -> tuple[np.ndarray, np.ndarray]:
    """Predictions that are right in about half of the places, and labels, a fifth of them ignored."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, shape)
    predicted = np.where(rng.random(shape) < 0.5, labels, rng.integers(0, classes, shape))
    labels[rng.random(shape) < 0.2] = 255
    return predicted, labels


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("classes", [2, 9, 150])
def test_equals_counting_by_hand(seed, classes):
    predicted, labels = random_masks(seed, classes)
    metric = metric_of(classes, per_class=True)
    every = samples(predicted, labels)
    metric.process({}, every[:2])
    metric.process({}, every[2:])
    found, expected = metric.evaluate(3), by_hand(predicted, labels, classes)
    for name in ("mIoU", "mAcc", "aAcc"):
        assert found[name] == pytest.approx(expected[name], rel=1e-12)
    for i, value in enumerate(expected["IoU"]):
        assert found[f"IoU_class {i}"] == pytest.approx(np.nan if value is None else value, nan_ok=True)


def test_classes_that_do_not_occur():
    """One that is predicted only counts, one that is nowhere does not."""
    labels = np.array([[[0, 0, 0, 0, 255, 255]]])
    predicted = np.array([[[0, 0, 0, 1, 2, 2]]])
    metric = metric_of(4, per_class=True)
    metric.process({}, samples(predicted, labels))
    found = metric.evaluate(1)
    assert found["IoU_class 0"] == 75 and found["IoU_class 1"] == 0
    assert np.isnan(found["IoU_class 2"]) and np.isnan(found["IoU_class 3"])
    assert found["mIoU"] == 37.5 and found["mAcc"] == found["aAcc"] == 75
    assert json.dumps(found["mIoU"]) == "37.5"  # a number of Python's


def test_counts_stay_exact_beyond_float32():
    """Class 0 has 2**24 + 3 pixels: summed in float32, one image of one pixel after another is lost."""
    metric = metric_of(2)
    large = torch.tensor([2**24, 0])
    metric.results = [(large, large, large, large)] + [(torch.tensor([0, 0]),) + (torch.tensor([1, 0]),) * 3] * 3
    found = metric.compute_metrics(metric.results)
    assert found["mIoU"] == 100 * 2**24 / (2**24 + 3)


def test_table_of_classes(capsys):
    predicted, labels = random_masks(0, 3)
    for per_class in (False, True):
        metric = metric_of(4, per_class=per_class)
        metric.process({}, samples(predicted, labels))
        assert ("IoU_class 1" in metric.evaluate(3)) is per_class
        out = capsys.readouterr().out
        assert ("each class, the worst first" in out) is per_class
    rows = [line.split() for line in out.splitlines() if line.startswith("  class ") and "Acc" not in line]
    assert [float(row[3]) for row in rows[:3]] == sorted(float(row[3]) for row in rows[:3])
    assert rows[3][:4] == ["class", "3", "0", "–"]


@pytest.mark.parametrize("reduce", [False, True])
def test_predictions_as_masks(tmp_path, reduce):
    predicted, labels = random_masks(1, 5)
    metric = metric_of(5, output_dir=str(tmp_path / "out"))
    metric.process({}, samples(predicted, labels, reduce_zero_label=reduce))
    for i, each in enumerate(predicted):
        assert np.array_equal(np.asarray(Image.open(tmp_path / f"out/{i}.png")), each + reduce)


def test_images_of_one_name_would_overwrite_each_other(tmp_path):
    predicted, labels = random_masks(1, 5)
    every = samples(predicted, labels)
    every[1]["img_path"] = "more/0.jpg"
    metric = metric_of(5, output_dir=str(tmp_path))
    with pytest.raises(ValueError, match=r"'images/0.jpg' and 'more/0.jpg' have the same name"):
        metric.process({}, every)


def test_predictions_do_not_replace_labels_or_images(tmp_path):
    predicted, labels = random_masks(1, 5)
    for path in (tmp_path / "masks/0.png", tmp_path / "other/0.png"):
        path.parent.mkdir()
        Image.fromarray(labels[0].astype(np.uint8)).save(path)
    before = (tmp_path / "masks/0.png").read_bytes()
    every = samples(predicted, labels, seg_map_path=str(tmp_path / "masks/0.png"))
    for folder, message in (("masks", "is the folder of the input"), ("other", "is there and is not IoUMetric's")):
        with pytest.raises(OutputError, match=message):
            metric_of(5, output_dir=str(tmp_path / folder)).process({}, every)
        assert (tmp_path / folder / "0.png").read_bytes() == before
    for _ in range(2):  # its own are
        metric_of(5, output_dir=str(tmp_path / "out")).process({}, every)
