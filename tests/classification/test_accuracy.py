"""Accuracy against counts made independently with NumPy."""

import csv
import json

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator

from mirl_mm.classification import Accuracy
from mirl_mm.structures import DataSample

NUM, CLASSES = 203, 12


def scored(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(NUM, CLASSES) scores without ties and (NUM,) labels; class 11 has no image."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(CLASSES), NUM).astype(np.float32), rng.integers(0, CLASSES - 1, NUM)


def samples(scores: np.ndarray, labels: np.ndarray) -> list[DataSample]:
    made = []
    for i, (score, label) in enumerate(zip(scores, labels, strict=True)):
        sample = DataSample(metainfo={"img_path": f"val/{i}.jpg", "gt_label": int(label)})
        sample.set_data({"pred_score": torch.from_numpy(score), "pred_label": torch.tensor(score.argmax())})
        made.append(sample)
    return made


def evaluate(metric: Accuracy, scores: np.ndarray, labels: np.ndarray, batch: int = 16, classes=None) -> dict:
    evaluator = Evaluator(metric)
    if classes is not None:
        evaluator.dataset_meta = {"classes": classes}
    data = samples(scores, labels)
    for start in range(0, len(data), batch):
        evaluator.process(data[start : start + batch])
    return evaluator.evaluate(len(data))


def test_topk_and_mean_class_are_numpys():
    scores, labels = scored()
    rank = (scores > scores[np.arange(NUM), labels][:, None]).sum(1)  # how many classes are scored higher
    found = evaluate(Accuracy(topk=(1, 3, 5), per_class=True), scores, labels)
    for k in (1, 3, 5):
        assert found[f"accuracy/top{k}"] == pytest.approx(100 * np.mean(rank < k), rel=1e-12)
    by_class = [np.mean(rank[labels == label] < 1) for label in np.unique(labels)]
    assert len(by_class) == CLASSES - 1
    assert found["accuracy/mean_class"] == pytest.approx(100 * np.mean(by_class), rel=1e-6)


def test_a_repeated_sample_at_the_end_does_not_count():
    """Which a sampler adds where processes have no equal share."""
    scores, labels = scored()
    evaluator = Evaluator(Accuracy())
    evaluator.process(samples(scores, labels))
    evaluator.process(samples(scores[:5], labels[:5]))
    assert evaluator.evaluate(NUM) == evaluate(Accuracy(), scores, labels)


def test_table_has_the_worst_class_first(capsys):
    classes = [f"kind {i}" for i in range(4)]
    labels = np.repeat([0, 1, 2], [4, 2, 3])
    guess = np.array([0, 0, 0, 1, 2, 2, 2, 2, 2])  # 75, 0 and 100 %
    evaluate(Accuracy(topk=1, per_class=True), np.eye(4, dtype=np.float32)[guess], labels, classes=classes)
    table = capsys.readouterr().out.splitlines()
    assert [line.split() for line in table[-4:-1]] == [
        ["kind", "1", "2", "0.00"],
        ["kind", "0", "4", "75.00"],
        ["kind", "2", "3", "100.00"],
    ]
    assert table[-1].strip() == "classes without images: 1"


def test_long_table_is_cut(capsys):
    evaluate(Accuracy(per_class=True), np.eye(40, dtype=np.float32), np.arange(40))
    table = capsys.readouterr().out
    assert table.count("100.00\n") == 25 + 1
    assert table.endswith("  and 15 more, from 100.00 to 100.00\n")


def test_k_above_the_number_of_classes_is_left_out():
    scores, labels = np.eye(3, dtype=np.float32), np.arange(3)
    assert evaluate(Accuracy(topk=(1, 5)), scores, labels) == {"accuracy/top1": 100.0}
    with pytest.raises(ValueError, match=r"every k of topk=\(5,\) exceeds the model's 3 classes"):
        evaluate(Accuracy(topk=5), scores, labels)


def test_predictions_as_csv(tmp_path):
    scores, labels = scored()
    classes = [f"a, {i}" for i in range(CLASSES)]
    evaluate(Accuracy(topk=(1, 3), out_file=str(tmp_path / "new" / "p.csv")), scores, labels, classes=classes)
    with open(tmp_path / "new" / "p.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["img_path"] for row in rows] == [f"val/{i}.jpg" for i in range(NUM)]
    order = np.argsort(-scores, axis=1)
    for row, label, best, score in zip(rows, labels, order, scores, strict=True):
        assert row["label"] == classes[label]
        assert [row[f"class_{k}"] for k in (1, 2, 3)] == [classes[i] for i in best[:3]]
        assert float(row["score_3"]) == pytest.approx(score[best[2]], rel=1e-5)
    assert "class_4" not in rows[0]


def test_predictions_as_json_without_names_and_with_few_classes(tmp_path):
    evaluate(Accuracy(out_file=str(tmp_path / "p.json"), prefix="ema/accuracy"), np.eye(2, dtype=np.float32), [1, 0])
    rows = json.loads((tmp_path / "p_ema.json").read_text())
    assert rows[0] == {
        "img_path": "val/0.jpg",
        "label": 1,
        "top": [{"class": 0, "score": 1.0}, {"class": 1, "score": 0.0}],
    }


def test_errors(tmp_path):
    with pytest.raises(ValueError, match=r"a file ending in \.csv or \.json, got .*p\.txt"):
        Accuracy(out_file=str(tmp_path / "p.txt"))
    for bad in (0, (), (1, 2.5)):
        with pytest.raises(ValueError, match="topk must be integers from 1 on"):
            Accuracy(topk=bad)
    with pytest.raises(ValueError, match=r"val/1\.jpg are not finite"):
        evaluate(Accuracy(), np.array([[0, 1], [np.nan, 1]], np.float32), [0, 1])
    metric = Accuracy()
    with pytest.raises(ValueError, match=r"needs labels, and a\.jpg has none: set labelled=True"):
        metric.process(None, [{"img_path": "a.jpg", "pred_score": torch.ones(3)}])
