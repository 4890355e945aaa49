"""Confusion matrices as pictures and as tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mirl_mm.file_backend import write_file

from .curves import save_figure


def plot_confusion(matrix: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw ``(C, C)`` counts; rows are true classes, and each sums to 1."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 3 + 0.2 * len(names)
    figure = Figure(figsize=(side + 1, side), layout="constrained", dpi=120)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="viridis", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel="predicted", ylabel="true")
    figure.colorbar(image, label="share of the true class")
    return figure


def confusion_csv(matrix: np.ndarray, names: Sequence[str]) -> str:
    """The counts as the text of a CSV file."""
    rows = [",".join(["true \\ predicted", *names])]
    rows += [",".join([name, *map(str, row)]) for name, row in zip(names, matrix.tolist(), strict=True)]
    return "\n".join([*rows, ""])


def write_confusion(matrix: np.ndarray, names: Sequence[str], out_dir: Path) -> list[Path]:
    """Write ``confusion.png`` and ``confusion.csv``; returns both."""
    picture, table = out_dir / "confusion.png", out_dir / "confusion.csv"
    save_figure(picture, plot_confusion(matrix, names))
    write_file(table, confusion_csv(matrix, names))
    return [picture, table]


def worst_confusions(matrix: np.ndarray, number: int) -> list[tuple[int, int]]:
    """The most frequent pairs of a true class and another, predicted one; as many as there are, ``number`` at most."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    pairs = [divmod(int(flat), len(matrix)) for flat in np.argsort(-wrong, axis=None, kind="stable")[:number]]
    return [(row, column) for row, column in pairs if wrong[row, column]]
