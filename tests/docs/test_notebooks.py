"""Notebooks of the documentation: whole, with small outputs that do not tell where they were made, and run."""

import ast
import os
import re
from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.training import ROOT

NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))
#: Numbers of the first cell in a size for tests.
SMALL = {"NUM_IMAGES": 32, "EPOCHS": 1, "ITERATIONS": 2}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


def codes(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_is_whole(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in codes(notebook)] == list(range(1, len(codes(notebook)) + 1))
    kinds = [output.output_type for cell in codes(notebook) for output in cell.outputs]
    assert kinds and "error" not in kinds
    assert any("image/png" in output.get("data", {}) for cell in codes(notebook) for output in cell.outputs)
    for cell in codes(notebook):
        ast.parse(cell.source)


def test_outputs_are_small_and_of_no_machine(path):
    assert path.stat().st_size < 500_000
    text = re.sub(r'"image/png": "[^"]*"', "", path.read_text())
    assert not re.search(r"/(home|root|work|tmp|usr)/", text)


def test_links_lead_somewhere(path):
    notebook = nbformat.read(path, 4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    targets = re.findall(r"\]\(([^)#:]+)\)", text)
    assert targets and all((path.parent / target).is_file() for target in targets)


@pytest.mark.slow
@pytest.mark.det
def test_runs(path, tmp_path, monkeypatch):
    pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
    notebook = nbformat.read(path, 4)
    first = codes(notebook)[0]
    names = first.source.split("=")[0]
    first.source = f"{names}= {', '.join(str(SMALL[name.strip()]) for name in names.split(','))}"
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = str([cell.outputs for cell in codes(notebook)])
    assert "coco/bbox_mAP" in shown and "done in" in shown
