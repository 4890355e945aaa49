"""A classifier's predictions as a table that other programs read."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from mirl_mm.file_backend import write_file

ENDINGS = (".csv", ".json")


def check_predictions_file(path: str | Path) -> None:
    """Make sure, before anything is computed, that predictions can be written; makes the folder.

    Raises:
        ValueError: For an ending other than ``.csv`` and ``.json``.
        OSError: If the folder can't be made.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"predictions go to a file ending in {' or '.join(ENDINGS)}, got {str(path)!r}")
    path.parent.mkdir(parents=True, exist_ok=True)


def write_predictions(path: str | Path, results: Sequence[dict], names: Sequence[str] | None = None) -> None:
    """Write predictions, whole or not at all.

    Args:
        path: ``.csv``: a line per image, columns ``img_path, label, class_1, score_1, class_2, ...``; ``.json``: a list
            of dicts ``{"img_path", "label", "top": [{"class", "score"}, ...]}``. Classes are names where these are
            known, else numbers; the best comes first.
        results: Dicts of ``img_path``, ``label``, ``classes`` and ``scores``.
        names: The classes' names.
    """
    path = Path(path)
    text = _json(results, names) if path.suffix.lower() == ".json" else _csv(results, names)
    write_file(path, text)


def _name(label: int, names: Sequence[str] | None) -> str | int:
    return label if names is None else names[label]


def _json(results: Sequence[dict], names: Sequence[str] | None) -> str:
    rows = [
        {
            "img_path": result["img_path"],
            "label": _name(result["label"], names),
            "top": [
                {"class": _name(label, names), "score": score}
                for label, score in zip(result["classes"], result["scores"], strict=True)
            ],
        }
        for result in results
    ]
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


def _csv(results: Sequence[dict], names: Sequence[str] | None) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    ranks = range(1, len(results[0]["classes"]) + 1)
    writer.writerow(["img_path", "label", *(f"{what}_{rank}" for rank in ranks for what in ("class", "score"))])
    for result in results:
        best = zip(result["classes"], result["scores"], strict=True)
        cells = [cell for label, score in best for cell in (_name(label, names), f"{score:.6g}")]
        writer.writerow([result["img_path"], _name(result["label"], names), *cells])
    return stream.getvalue()
