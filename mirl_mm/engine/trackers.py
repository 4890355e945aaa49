"""Experiment trackers: mmengine's back ends by their names, and resumed runs that go on where they were."""

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.visualization import BaseVisBackend, MLflowVisBackend, WandbVisBackend

from mirl_mm.file_backend import write_file
from mirl_mm.registry import VISBACKENDS

#: Types of back ends by the names that ``--tracker`` takes, which are those of the packages that they need; but for the
#: two of ours, mmengine's as they are.
TRACKERS = {
    "tensorboard": "TensorboardVisBackend",
    "wandb": "mirl_mm.WandbTracker",
    "mlflow": "mirl_mm.MLflowTracker",
    "clearml": "ClearMLVisBackend",
    "neptune": "NeptuneVisBackend",
    "dvclive": "DVCLiveVisBackend",
    "aim": "AimVisBackend",
}


def add_trackers(cfg: Config, names: str | Sequence[str]) -> None:
    """Let a training report to some of :data:`TRACKERS`, too; one that the config has already stays as it is.

    Raises:
        ValueError: For an unknown name.
        ModuleNotFoundError: If a tracker's package is not installed.
    """
    backends = cfg.setdefault("visualizer", {"type": "Visualizer"}).setdefault("vis_backends", [])
    for name in [names] if isinstance(names, str) else names:
        if name not in TRACKERS:
            raise ValueError(f"no tracker is called {name!r}: choose of {', '.join(TRACKERS)}")
        for package in ("dvclive", "pygit2") if name == "dvclive" else (name,):
            if find_spec(package) is None:
                raise ModuleNotFoundError(
                    f"tracker {name}: the package {package} is not installed. Get it by: pip install {name}",
                    name=package,
                )
        if all(backend["type"] != TRACKERS[name] for backend in backends):
            backends.append({"type": TRACKERS[name]})


class _KeepsRun(BaseVisBackend):
    """Keeps the name that a tracker gave to its run in ``<work_dir>/<file>``, for when the training is resumed.

    It is written with the first numbers, so that nothing takes the place of a training that has none, as a test.
    """

    file: str

    def run_to_go_on_with(self, config: Config) -> str | None:
        """The run of a training that is resumed; None for one that is not, or had no such tracker."""
        self.kept = Path(config.work_dir) / self.file
        return self.kept.read_text().strip() if config.get("resume") and self.kept.is_file() else None

    def current_run(self) -> str:
        """The tracker's name for the run."""
        raise NotImplementedError

    def add_scalars(self, scalar_dict: dict, step: int = 0, file_path: str | None = None, **kwargs: Any) -> None:
        """As mmengine's."""
        if not getattr(self, "is_kept", False) and hasattr(self, "kept"):
            write_file(self.kept, self.current_run() + "\n")
            self.is_kept = True
        super().add_scalars(scalar_dict, step, file_path, **kwargs)


@VISBACKENDS.register_module()
class WandbTracker(_KeepsRun, WandbVisBackend):
    """mmengine's back end for Weights & Biases, with which a resumed training goes on in the same run.

    A run is called like its folder. Everything else is as ``init_kwargs`` and wandb's environment variables say. Other
    than by mmengine's, source code is not sent: it would be each Python file below the current folder, and a data set
    there takes long to search.
    """

    file = "wandb_run"
    _init_kwargs: dict[str, Any] | None

    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Start the run, or go on with that of the resumed training, and give it the config."""
        settings: dict[str, Any] = dict(self._init_kwargs or {})
        defaults: Mapping[str, Any] = {"resume": "allow", "allow_val_change": True}
        if "WANDB_NAME" not in os.environ:
            defaults = {**defaults, "name": Path(config.work_dir).name}
        if (run := self.run_to_go_on_with(config)) is not None:
            defaults = {**defaults, "id": run}
        self._init_kwargs = {**defaults, **settings}
        self.experiment.config.update(config.to_dict(), allow_val_change=True)

    def current_run(self) -> str:
        """The run's id."""
        return self._wandb.run.id


@VISBACKENDS.register_module()
class MLflowTracker(_KeepsRun, MLflowVisBackend):
    """mmengine's back end for MLflow, with which a resumed training goes on in the same run.

    Runs go where MLflow itself would put them: to ``MLFLOW_TRACKING_URI``, experiment ``MLFLOW_EXPERIMENT_NAME``, else
    into its local store. mmengine would write files of a kind that MLflow no longer takes, for each start others. A run
    is called like its folder.
    """

    file = "mlflow_run"
    _run_name: str | None
    _exp_name: str | None
    _tracking_uri: str | None
    _tracked_config_keys: Any

    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Start the run, or go on with that of the resumed training, and give it the config."""
        import mlflow

        self._tracking_uri = self._tracking_uri or mlflow.get_tracking_uri()
        self._exp_name = self._exp_name or os.environ.get("MLFLOW_EXPERIMENT_NAME")
        self._run_name = self._run_name or Path(config.work_dir).name
        run = self.run_to_go_on_with(config)
        if run is not None:
            self._tracked_config_keys = ()  # a run's parameters can't change, as `resume` of the config does
            os.environ["MLFLOW_RUN_ID"] = run  # with which the first call of mmengine's starts the run
        try:
            super().add_config(config, **kwargs)
        finally:
            if run is not None:
                os.environ.pop("MLFLOW_RUN_ID", None)

    def current_run(self) -> str:
        """The run's id."""
        return self._mlflow.active_run().info.run_id

    def add_image(self, name: str, image: np.ndarray, step: int = 0, **kwargs: Any) -> None:
        """As mmengine's, with the ending without which MLflow takes no picture, one for each step."""
        super().add_image(f"{name}_{step}.png", image, step, **kwargs)
