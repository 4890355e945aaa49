"""Confusions and misses of a detector."""

import json

import pytest

pytest.importorskip("pycocotools")
from mirl_mm.detection.error_analysis import count_errors
from tests.training import run_here

pytestmark = pytest.mark.det


def annotation(number: int, category: int, box: list[float], crowd: int = 0) -> dict:
    return {
        **{"id": number, "image_id": 1, "category_id": category, "bbox": box},
        **{"area": box[2] * box[3], "iscrowd": crowd},
    }


def result(category: int, box: list[float], score: float) -> dict:
    return {"image_id": 1, "category_id": category, "bbox": box, "score": score}


TRUTH = {
    "images": [{"id": 1, "file_name": "a.jpg", "height": 300, "width": 300}],
    "categories": [{"id": 4, "name": "ant"}, {"id": 2, "name": "bee"}],
    "annotations": [
        annotation(1, 4, [0, 0, 20, 20]),
        annotation(2, 2, [100, 100, 50, 50]),
        annotation(3, 2, [0, 200, 100, 100]),
        annotation(4, 2, [200, 200, 100, 100], crowd=1),
    ],
}
RESULTS = [
    result(4, [0, 0, 20, 20], 0.9),  # found
    result(2, [0, 0, 20, 19], 0.95),  # a second box on it, of another class: not there
    result(4, [100, 100, 50, 45], 0.8),  # a bee taken for an ant
    result(2, [210, 210, 20, 20], 0.7),  # on a crowd: no error
    result(2, [0, 200, 100, 100], 0.2),  # too weak
]


def test_counts():
    errors = count_errors(TRUTH, RESULTS)
    assert errors.matrix.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]
    assert errors.by_size == {
        "small": {"found": 1, "confused": 0, "missed": 0},
        "medium": {"found": 0, "confused": 1, "missed": 0},
        "large": {"found": 0, "confused": 0, "missed": 1},
    }
    assert count_errors(TRUTH, RESULTS, score_thr=0.1).matrix[1].tolist() == [1, 1, 0]


def test_results_of_other_images():
    with pytest.raises(ValueError, match="image 9, category 4 is not of this annotation file"):
        count_errors(TRUTH, [{**RESULTS[0], "image_id": 9}])


def test_tool(tmp_path, monkeypatch):
    (tmp_path / "truth.json").write_text(json.dumps(TRUTH))
    (tmp_path / "found.json").write_text(json.dumps(RESULTS))
    tool = "tools/analysis_tools/coco_errors.py"
    run_here(monkeypatch, tool, tmp_path / "truth.json", tmp_path / "found.json", "--out-dir", tmp_path / "out")
    assert (tmp_path / "out/confusion.png").stat().st_size > 1000
    assert (tmp_path / "out/confusion.csv").read_text().splitlines()[2] == "bee,1,0,1"
    with pytest.raises(SystemExit, match=r"^error: .*none\.json"):
        run_here(monkeypatch, tool, tmp_path / "truth.json", tmp_path / "none.json")
