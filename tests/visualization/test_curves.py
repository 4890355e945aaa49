"""Reading logs and drawing them."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from mirl_mm.text import short_path
from mirl_mm.visualization.curves import encode_figure, plot_curves
from mirl_mm.visualization.scalars import Scalars, loss_names, read_scalars
from tests.training import run_here


def train(step: int, loss: float, epoch: int = 1) -> dict:
    return {"lr": 0.1, "loss": loss, "pair_1_2": loss + 1, "epoch": epoch, "iter": step, "step": step}


def val(epoch: int, loss: float) -> dict:
    return {"loss": loss, "pair_1_2": loss + 1, "step": epoch}


def write(folder, time, records, end=""):
    path = folder / time / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records) + end)
    return path


@pytest.fixture
def work_dir(tmp_path):
    """A run that was killed at iteration 40, went on from its checkpoint of iteration 20, and once more from 60."""
    first = [train(10, 1.0), train(20, 0.9), val(1, 0.95), train(30, 0.8), train(40, 0.7), val(2, 0.75)]
    write(tmp_path / "run", "20250101_000000", first, end='{"loss": 0.6, "it')
    write(
        tmp_path / "run", "20250101_010000", [train(30, 0.81, 2), train(40, 0.71, 2), val(2, 0.76), train(50, 0.6, 3)]
    )
    write(tmp_path / "run", "20250102_000000", [train(60, 0.5, 3), val(3, 0.55)])
    return tmp_path / "run"


def test_files_of_a_resumed_run_are_joined(work_dir):
    scalars = read_scalars(work_dir)
    assert scalars.train["loss"] == [(10, 1.0), (20, 0.9), (30, 0.81), (40, 0.71), (50, 0.6), (60, 0.5)]
    assert scalars.val["loss"] == [(20, 0.95), (40, 0.76), (60, 0.55)]
    assert scalars.train.keys() == {"loss", "lr", "pair_1_2"}


def test_one_folder_or_file_of_it(work_dir):
    last = [(60, 0.5)]
    time = work_dir / "20250102_000000"
    for path in (time, time / "vis_data", time / "vis_data/scalars.json", str(time)):
        assert read_scalars(path).train["loss"] == last


def test_a_run_started_anew_in_the_same_folder_counts_alone(work_dir):
    write(work_dir, "20250103_000000", [train(10, 3.0)])
    assert read_scalars(work_dir).train["loss"] == [(10, 3.0)]
    assert read_scalars(work_dir).val == {}


def test_numbers_that_are_none_are_left_out(tmp_path):
    write(tmp_path, "1", [train(10, float("nan")), train(20, 0.5), train(30, float("inf"))])
    assert read_scalars(tmp_path).train["loss"] == [(20, 0.5)]


def test_refusals(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no scalars\.json in .*nowhere"):
        read_scalars(tmp_path / "nowhere")
    empty = write(tmp_path / "empty", "1", [])
    with pytest.raises(ValueError, match=f"no scalars have been logged in {empty}"):
        read_scalars(tmp_path / "empty")
    other = tmp_path / "other.json"
    other.write_text('{"step": 1}\nhello\n{"step": 2}\n')
    with pytest.raises(ValueError, match=r"other\.json, line 2 is no record of scalars.*'hello'"):
        read_scalars(other)
    with pytest.raises(ValueError, match=r"no run has logged speed; there is loss"):
        plot_curves({"a": Scalars({"loss": [(1, 1.0)]})}, ["speed"])
    with pytest.raises(ValueError, match=r"no run has logged a loss; there is lr"):
        plot_curves({"a": Scalars({"lr": [(1, 1.0)]})})


def lines(axis):
    return {line.get_label(): line.get_xydata().tolist() for line in axis.lines}


def test_one_run_has_all_curves_in_one_panel(work_dir):
    scalars = read_scalars(work_dir)
    assert loss_names([scalars]) == ["loss", "pair_1_2"]
    (axis,) = plot_curves({"run": scalars}).axes
    drawn = lines(axis)
    assert drawn.keys() == {"loss", "loss (validation)", "pair 1+2", "pair 1+2 (validation)"}
    assert drawn["loss"] == [list(point) for point in scalars.train["loss"]]
    assert drawn["loss (validation)"] == [[20, 0.95], [40, 0.76], [60, 0.55]]
    assert len({line.get_color() for line in axis.lines}) == 2


def test_several_runs_have_a_panel_per_key(work_dir):
    runs = {"a": read_scalars(work_dir), "b": Scalars({"loss": [(5, 2.0)], "grad_norm": [(5, 7.0)]})}
    loss, norm, lr = plot_curves(runs, ["loss", "grad_norm", "lr"]).axes
    assert lines(loss).keys() == {"a", "a (validation)", "b"}
    assert lines(norm) == {"b": [[5, 7.0]]}
    assert lines(lr).keys() == {"a"}
    assert [axis.get_ylabel() for axis in (loss, norm, lr)] == ["loss", "grad_norm", "lr"]


def test_main_metrics_of_validations_are_shown():
    runs = {name: Scalars({"loss": [(5, 2.0)]}, {"coco/bbox_mAP": [(5, 0.3)], "time": [(5, 1.0)]}) for name in "ab"}
    assert [axis.get_ylabel() for axis in plot_curves(runs).axes] == ["loss", "coco/bbox_mAP"]


def test_picture_of_a_figure(work_dir):
    picture = np.asarray(
        Image.open(io.BytesIO(encode_figure(plot_curves({"run": read_scalars(work_dir)})))).convert("RGB")
    )
    for colour in ((31, 119, 180), (255, 127, 14)):  # the two curves
        assert (picture == colour).all(axis=2).sum() > 200


def test_tool(work_dir, tmp_path, monkeypatch, capsys):
    shutil.copytree(work_dir, tmp_path / "other")
    tool, out = "tools/visualization/plot_curves.py", tmp_path / "new/loss.png"
    run_here(monkeypatch, tool, work_dir, tmp_path / "other", "--labels", "a", "b", "--out", out)
    assert capsys.readouterr().out.strip() == short_path(out)
    assert Image.open(tmp_path / "new/loss.png").width > 1000
    for logs, folder in (([work_dir], work_dir), ([tmp_path / "other", tmp_path / "more"], tmp_path)):
        shutil.copytree(work_dir, tmp_path / "more", dirs_exist_ok=True)
        run_here(monkeypatch, tool, *logs)  # into the runs' folder, not the current one
        assert Image.open(folder / "curves.png").width > 500
    with pytest.raises(SystemExit, match=r"^error: no scalars\.json in"):
        run_here(monkeypatch, tool, tmp_path / "nowhere")
    with pytest.raises(SystemExit):
        run_here(monkeypatch, tool, work_dir, work_dir)
    assert "2 logs need as many different labels" in capsys.readouterr().err
