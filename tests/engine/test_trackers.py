"""Trackers: mmengine's back ends by name, tried with stores of this machine; a resumed run goes on in the same run."""

import importlib
import sys

import pytest
from mmengine.config import Config

from mirl_mm.engine import trackers
from mirl_mm.engine.training import prepare_training, run_training
from tests.conftest import forget_runs
from tests.training import small_config, write_images


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("data"), 4)


def start(data, work_dir, tracker, epochs, resume=False) -> None:
    """Train for as many epochs of one iteration."""
    forget_runs()
    cfg = small_config(data, work_dir, train_cfg__max_epochs=epochs, param_scheduler__warmup=0)
    prepare_training(cfg, trackers=tracker, resume=resume)
    run_training(cfg)


def test_wandb_goes_on_in_the_same_run(data, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    work_dir = tmp_path / "run"
    start(data, work_dir, "wandb", 1)
    first = (work_dir / "wandb_run").read_text().strip()
    start(data, work_dir, "wandb", 2, resume=True)
    folders = sorted(work_dir.glob("*/vis_data/wandb/offline-run-*"))
    assert [folder.name.rpartition("-")[2] for folder in folders] == [first, first]
    wandb.teardown()  # its files are whole when its process has ended
    (logged,) = folders[1].glob("*.wandb")
    assert b"data_time" in logged.read_bytes()  # of the log; the config has no such word
    settings = {"work_dir": str(work_dir), "resume": False}
    assert trackers.WandbTracker("").run_to_go_on_with(Config(settings)) is None  # from the start again: another run


@pytest.mark.parametrize("store", ["files", "database"])
def test_mlflow_goes_on_in_the_same_run(data, tmp_path, monkeypatch, store):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.chdir(tmp_path)  # where MLflow's own store is
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "tried")
    uri = (tmp_path / "store").as_uri()
    if store == "database":
        reason = "mlflow-skinny alone has no database"
        pytest.importorskip("mlflow.store.tracking.sqlalchemy_store", reason=reason, exc_type=ImportError)
        uri = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(None)
    try:
        start(data, tmp_path / "run", ["mlflow"], 1)
        start(data, tmp_path / "run", ["mlflow"], 2, resume=True)
        client = mlflow.MlflowClient(uri)
        (run,) = client.search_runs([client.get_experiment_by_name("tried").experiment_id])
    finally:
        mlflow.set_tracking_uri(None)
    assert run.info.run_id == (tmp_path / "run/mlflow_run").read_text().strip()
    assert run.info.run_name == "run" and run.info.status == "FINISHED"
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")] == [1, 2]
    assert run.data.params["train_cfg.max_epochs"] == "1"
    pictures = [file.path for file in client.list_artifacts(run.info.run_id) if file.path.endswith(".png")]
    assert pictures == ["reconstruction_1.png", "reconstruction_2.png"]


def test_a_tracker_is_not_added_twice(data, tmp_path):
    cfg = small_config(data, tmp_path / "run")
    trackers.add_trackers(cfg, ["tensorboard", "tensorboard"])
    assert [backend["type"] for backend in cfg.visualizer.vis_backends] == ["LocalVisBackend", "TensorboardVisBackend"]


@pytest.mark.parametrize("name", trackers.TRACKERS)
def test_missing_package(data, tmp_path, monkeypatch, name):
    monkeypatch.setattr(trackers, "find_spec", lambda asked: None if asked == name else sys.__spec__)
    message = rf"tracker {name}: the package {name} is not installed\. Get it by: pip install {name}"
    with pytest.raises(ModuleNotFoundError, match=message):
        prepare_training(small_config(data, tmp_path / "run"), trackers=name)


def test_unknown_tracker(data, tmp_path):
    with pytest.raises(ValueError, match=r"no tracker is called 'wanda': choose of tensorboard, wandb, "):
        prepare_training(small_config(data, tmp_path / "run"), trackers="wanda")


def test_all_of_mmengines_back_ends_have_a_name():
    module = importlib.import_module("mmengine.visualization.vis_backend")
    theirs = {name for name in vars(module) if name.endswith("VisBackend")} - {"BaseVisBackend", "LocalVisBackend"}
    named = {backend.replace("mirl_mm.", "").replace("Tracker", "VisBackend") for backend in trackers.TRACKERS.values()}
    assert named == theirs
