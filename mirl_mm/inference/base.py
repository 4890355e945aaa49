"""What all inferencers share: how they are made and called."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import default_collate
from mmengine.device import get_device
from mmengine.structures import BaseDataElement
from rich.progress import track

from mirl_mm.datasets.randomness import seeded, seeded_index
from mirl_mm.outputs import Outputs, keep_apart
from mirl_mm.visualization.png import encode_png

from .commands import Command
from .inputs import Images, expand, given_folders
from .model import TrainedModel, config_and_checkpoint
from .output_files import checked_outputs, image_paths, picture_paths
from .pipeline import chunks, image_pipeline, passed, pipeline_steps

Image = np.ndarray | str


@dataclass(frozen=True)
class NoOptions:
    """Options of calls that have none of their own."""


class ImageInferencer(TrainedModel):
    """Base of this package's inferencers.

    They are made from a checkpoint of ``tools/train.py``, which has its config in it, or from a config and weights; and
    called with images. Of a checkpoint's own config, registered parts alone are built; see
    :func:`~mirl_mm.checkpoint.embedded_config.own_config`::

        infer = SomeInferencer("work_dirs/x/epoch_12.pth")
        result = infer("photos/*.jpg", batch_size=8, out_dir="out")
        result["predictions"]    # a dict for each image
        result["visualization"]  # pictures, (H, W, 3) uint8 RGB; also files, if out_dir was given

    Images go through the config's test pipeline. All inferencers have these arguments, and those of
    :meth:`__call__`, under the same names; what one has of its own is given by name.

    One for another task says in its class what is here said by ``Options``, ``base_model`` and the attributes around
    them, has ``forward``, ``as_dict``, ``as_sample`` and ``picture``, and is registered in ``INFERENCERS``: then
    :func:`~mirl_mm.inference.dispatch.inferencer_for` and ``tools/visualization/infer.py`` know it.

    Args:
        model: A checkpoint, a config file, or a config.
        weights: A checkpoint; may be left out if ``model`` is one.
        device: Such as ``cuda:0``. Default: the accelerator if there is one.
        show_progress: Whether a bar shows the batches done.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: For a checkpoint that can't be read, has no config where none is given, or is another model's.
    """

    #: What calls take besides; a dataclass that refuses values out of their range.
    Options: Any = NoOptions
    #: What it does in ``tools/visualization/infer.py``.
    command: type[Command] = Command
    #: Images at a time, by default.
    batch_size = 8
    #: Whether pictures are made by default also where no folder is given; None: there are none.
    draws: bool | None = False

    def __init__(
        self,
        model: str | Path | Config | ConfigDict | dict | None = None,
        weights: str | Path | None = None,
        device: str | None = None,
        show_progress: bool = False,
    ) -> None:
        cfg, path = config_and_checkpoint(model, weights)
        self.show_progress = show_progress
        self._skips, self._failed = False, {}  # type: bool, dict[int, str]
        self.model: Any = self._init_model(cfg, path, device or get_device())
        self.pipeline = self._init_pipeline(cfg)
        self.cfg = cfg

    def __call__(
        self,
        inputs: Images,
        return_datasamples: bool = False,
        batch_size: int | None = None,
        *,
        out_dir: str | Path | None = None,
        draw: bool | None = None,
        keep_pictures: bool = True,
        plain: bool = False,
        on_error: str = "stop",
        **own: Any,
    ) -> dict:
        """Run the model on images.

        Args:
            inputs: An image ``(H, W, 3)`` uint8 RGB, a path, a folder, a glob, or a list of these.
            return_datasamples: Give predictions as data samples, with tensors, rather than as dicts of plain values and
                NumPy arrays.
            batch_size: Images at a time; default: the class's.
            out_dir: Folder for pictures, as PNG files.
            draw: Make pictures also without ``out_dir``; default: the class's ``draws``.
            keep_pictures: Hand out the pictures, too. Without, those of thousands of images take no memory.
            plain: Predictions as JSON takes them.
            on_error: ``"stop"`` at an image that can't be decoded or does not pass the pipeline, or ``"skip"`` it: the
                others' results are not lost.
            **own: What the inferencer has of its own: the fields of its ``Options``.

        Returns:
            ``predictions``, a list with one entry per image, whose ``img_path`` is None for an array; and
            ``visualization``, a list of pictures. With ``on_error="skip"`` also ``failed``, from indices of images that
            were left out to the reasons.

        Raises:
            FileNotFoundError: For a path or glob that matches no file.
            TypeError: For an option that it doesn't have.
            ValueError: For a folder without images, or a setting out of its range.
            OutputError: If a file would lie among images, or replace one that is not this inferencer's of the image.
            CorruptImageError: For an image that can't be decoded or does not pass the pipeline; skipping, for the last.
        """
        options, batch_size = self.settle(self.Options(**own), batch_size or self.batch_size)
        if on_error not in ("stop", "skip"):
            raise ValueError(f"on_error must be 'stop' or 'skip', got {on_error!r}")
        if self.draws is None and (out_dir is not None or draw):
            raise ValueError(f"{type(self).__name__} makes no pictures: leave out out_dir and draw")
        images = expand(inputs)
        for place in (*([] if out_dir is None else [out_dir]), *self.own_folders(options)):
            keep_apart(place, given_folders(inputs))
        self.check_outputs(images, out_dir, options)
        self._skips, self._failed = on_error == "skip", {}
        batches = self.preprocess(images, batch_size, options)
        preds: list = []
        for batch in track(batches, description="Inference") if self.show_progress else batches:
            with torch.no_grad():  # predictions would keep all activations
                preds += self.forward(batch, options)
        images = [image for i, image in enumerate(images) if i not in self._failed]
        wanted = out_dir is not None or (self.draws if draw is None else draw)
        pictures = self.visualize(images, preds, out_dir, keep_pictures, options) if wanted else []
        predictions = [
            self.as_sample(each) if return_datasamples else self.as_dict(each, plain, options) for each in preds
        ]
        result = {"predictions": predictions, "visualization": pictures}
        return {**result, "failed": self._failed} if self._skips else result

    # What a task has of its own.

    def settle(self, options: Any, batch_size: int) -> tuple[Any, int]:
        """Options as the model takes them, and images at a time; refuses what this model can't do."""
        return options, batch_size

    def forward(self, inputs: dict, options: Any) -> list:
        """What the model makes of each image of a batch; kept for all images until pictures are drawn."""
        raise NotImplementedError

    def as_dict(self, found: Any, plain: bool, options: Any) -> dict:
        """A prediction as a dict; if ``plain``, of what JSON takes."""
        raise NotImplementedError

    def as_sample(self, found: Any) -> BaseDataElement:
        """A prediction as a data sample with tensors."""
        raise NotImplementedError

    def picture(self, images: Sequence[Image], found: Sequence, first: int, options: Any) -> np.ndarray:
        """A picture, ``(H, W, 3)`` uint8 RGB, of one image, or of as many as a sheet has; ``first`` is their number."""
        raise NotImplementedError

    def sheets(self, options: Any) -> tuple[str, int] | None:
        """The name of pictures of several images, and of how many; None: each image has a picture under its name."""
        return None

    def own_folders(self, options: Any) -> Sequence[str | Path]:
        """Folders that are written to besides that of the pictures."""
        return ()

    # What all do.

    def check_outputs(self, images: Sequence[Image], out_dir: str | Path | None, options: Any) -> None:
        """Refuse, before the long work, to write over anything.

        Raises:
            OutputError: See :mod:`mirl_mm.outputs`.
        """
        if out_dir is not None:
            self.picture_files(images, out_dir, options)

    def picture_paths(self, images: Sequence[Image], out_dir: str | Path, options: Any) -> list[Path]:
        """The files of pictures."""
        sheets = self.sheets(options)
        return picture_paths(out_dir, sheets[0], len(images), sheets[1]) if sheets else image_paths(out_dir, images)

    def picture_files(self, images: Sequence[Image], out_dir: str | Path, options: Any) -> Outputs:
        """The files of pictures, checked."""
        paths = self.picture_paths(images, out_dir, options)
        return checked_outputs(type(self).__name__, paths, images, each=self.sheets(options) is None)

    def preprocess(self, images: list[Image], batch_size: int, options: Any) -> Iterator[dict]:
        """Batches; what is random in the pipeline depends on the options' ``seed`` and the image's number only."""

        def run(index: int) -> dict:
            with seeded(seeded_index(getattr(options, "seed", 0), 0, index).seed):
                return self.pipeline(images[index])

        yield from self.batches(run, images, batch_size)

    def batches(self, run: Callable[[int], dict], images: Sequence[Image], batch_size: int) -> Iterator[dict]:
        """What ``run`` makes of each image's number, collated; see :func:`.pipeline.passed`."""
        yield from map(self.collate_fn, chunks(passed(run, images, self._skips, self._failed), batch_size))

    def visualize(
        self, images: list[Image], preds: list, out_dir: str | Path | None, keep_pictures: bool, options: Any
    ) -> list[np.ndarray]:
        """Pictures, each written to ``out_dir``, if there is one, as soon as it is drawn."""
        kept = []
        files = None if out_dir is None else self.picture_files(images, out_dir, options)
        sheets = self.sheets(options)
        each = 1 if sheets is None else sheets[1]
        paths = self.picture_paths(images, out_dir or "", options)
        for path, first in zip(paths, range(0, len(images), each), strict=True):
            part = slice(first, first + each)
            picture = self.picture(images[part], preds[part], first, options)
            if files is not None:
                files.put(path, encode_png(picture))
            if keep_pictures:
                kept.append(picture)
        return kept

    def collate_fn(self, samples: Sequence[dict]) -> Any:
        """A batch of samples that went through the pipeline."""
        return default_collate(samples)

    def _init_pipeline(self, cfg: Config | ConfigDict) -> Callable[[Image], dict]:
        """The config's test pipeline, for paths and arrays."""
        with self.guard():
            return image_pipeline(pipeline_steps(cfg))
