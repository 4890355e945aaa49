"""A training that is done, or under way: its figures, weights, curves and predictions, read from its folder."""

import re
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from mirl_mm.checkpoint.latest import latest_checkpoint
from mirl_mm.inference.base import ImageInferencer
from mirl_mm.inference.dispatch import inferencer_for
from mirl_mm.inference.inputs import Images
from mirl_mm.visualization.curves import MAIN_METRICS, plot_run
from mirl_mm.visualization.scalars import Scalars, read_scalars, read_validations

_BEST = re.compile(r"best_(.+)_(?:epoch|iter)_(\d+)\.pth")


class Run:
    """A training's folder, to look at and to use.

    :func:`mirl_mm.train` and :func:`mirl_mm.pretrain` return one; of an earlier training, also one of
    ``tools/train.py``, it is made from its folder::

        run = mirl_mm.Run("work_dirs/det/mirl_vitb_coco")
        run.metrics                  # what the validation of run.checkpoint gave
        run.predict("new/*.jpg")     # by an inferencer
        run.plot()                   # curves

    Everything is read when it is asked for, so a run that is under way shows how far it is.

    Args:
        work_dir: The folder.

    Raises:
        FileNotFoundError: If it is no folder of a training.
    """

    def __init__(self, work_dir: str | Path) -> None:
        self.work_dir = Path(work_dir)
        self._loaded: tuple[Path, ImageInferencer] | None = None
        _ = self.config  # raises

    @property
    def config(self) -> Path:
        """The config with all settings resolved, which ``tools/train.py`` takes."""
        files = sorted(self.work_dir.glob("*.py"), key=lambda path: path.stat().st_mtime)
        if not files:
            raise FileNotFoundError(
                f"'{self.work_dir}' is no folder of a training: it has no config. Give the work dir of one, such as "
                "work_dirs/cls/mirl_vits_in1k"
            )
        return files[-1]

    @property
    def checkpoint(self) -> Path:
        """The best weights by validation, where such were kept; else the last.

        Raises:
            FileNotFoundError: If no checkpoint has been written yet.
        """
        best = self._best()
        if best is not None:
            return best[0]
        last = latest_checkpoint(self.work_dir)
        if last is None:
            raise FileNotFoundError(f"'{self.work_dir}' has no checkpoint yet: did the training fail, or has it begun?")
        return Path(last)

    @property
    def metrics(self) -> dict[str, float]:
        """What the validation of :attr:`checkpoint` gave; without validation, the last loss and its terms."""
        best, validated = self._best(), self._validated()
        if best is not None:
            return validated[best[1]]
        if validated:
            return validated[max(validated)]
        train = self.history.train
        return {name: points[-1][1] for name, points in train.items() if name == "loss" or name.startswith("pair_")}

    @property
    def history(self) -> Scalars:
        """All that was logged, by name, over iterations.

        Raises:
            FileNotFoundError: If nothing was.
        """
        return read_scalars(self.work_dir)

    def predict(self, inputs: Images, **kwargs: Any) -> dict:
        """Run :attr:`checkpoint` on images: labels, boxes and masks, a class for each pixel, or reconstructions.

        Args:
            inputs: An image ``(H, W, 3)`` uint8 RGB, a path, a folder, a glob, or a list of these.
            **kwargs: As the task's inferencer takes them, such as ``out_dir`` or ``score_thr``.

        Returns:
            ``predictions``, a list with a dict for each image, and ``visualization``, pictures if they were asked for.
        """
        return self.inferencer(inputs, **kwargs)

    @property
    def inferencer(self) -> ImageInferencer:
        """What :meth:`predict` calls; loaded once for each checkpoint."""
        checkpoint = self.checkpoint
        if self._loaded is None or self._loaded[0] != checkpoint:
            self._loaded = checkpoint, inferencer_for(checkpoint)(checkpoint)
        return self._loaded[1]

    def plot(self, *keys: str) -> Figure:
        """Curves of the losses and of what validations measured, or of some of :attr:`history`; a notebook shows them.

        Raises:
            ValueError: If one was not logged.
        """
        return plot_run(self.history, keys, self.config.stem)

    def __repr__(self) -> str:
        lines = [f"Run('{self.work_dir}')"]
        try:
            lines.append(f"  checkpoint: {self.checkpoint.name}")
            metrics = self.metrics
            main = [key for key in (*MAIN_METRICS, "loss") if key in metrics]
            lines.append("  " + ", ".join(f"{key}: {metrics[key]:.4g}" for key in main))
        except (FileNotFoundError, ValueError) as error:
            lines.append(f"  {error}")
        return "\n".join(lines)

    def _validated(self) -> dict[int, dict[str, float]]:
        try:
            return read_validations(self.work_dir)
        except FileNotFoundError:
            return {}

    def _best(self) -> tuple[Path, int] | None:
        """The newest best checkpoint, and the step of its validation; older ones may be of a training before."""
        validated = self._validated()
        found = []
        for path in self.work_dir.glob("best_*.pth"):
            match = _BEST.fullmatch(path.name)
            if match and int(match[2]) in validated:
                found.append((path.stat().st_mtime, path, int(match[2])))
        return max(found)[1:] if found else None
