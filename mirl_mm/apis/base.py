"""What all inferencers share: models from configs and checkpoints, images from anywhere."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import default_collate
from mmengine.infer import BaseInferencer
from mmengine.registry import DefaultScope
from torch import nn

from mirl_mm.checkpoint import Weights, read_any
from mirl_mm.checkpoint.own_config import building, own_config
from mirl_mm.checkpoint.report import compare
from mirl_mm.datasets.randomness import draw, seeded
from mirl_mm.datasets.transforms import LoadImage, build_pipeline
from mirl_mm.datasets.transforms.pipeline import Step
from mirl_mm.engine.launch import load_config
from mirl_mm.outputs import Outputs, keep_apart
from mirl_mm.registry import MODELS, SCOPE
from mirl_mm.visualization.grid import encode_png

from .inputs import Images, expand, given_folders
from .pictures import outputs_of_images
from .pipeline import passed, pipeline_steps


class ImageInferencer(BaseInferencer):
    """Base of this package's inferencers.

    They are made from a checkpoint of ``tools/train.py``, which has its config in it, or from a config and weights; and
    called with images. Of a checkpoint's own config, registered parts alone are built; see
    :func:`~mirl_mm.checkpoint.own_config.own_config`::

        infer = SomeInferencer("work_dirs/x/epoch_12.pth")
        result = infer("photos/*.jpg", batch_size=8, out_dir="out")
        result["predictions"]    # a dict for each image
        result["visualization"]  # pictures, (H, W, 3) uint8 RGB; also files, if out_dir was given

    Images go through the config's test pipeline. All inferencers have these arguments, and those of
    :meth:`__call__`, under the same names; what one has of its own is given by name.

    Args:
        model: A checkpoint, a config file, or a config.
        weights: A checkpoint; may be left out if ``model`` is one.
        device: Such as ``cuda:0``. Default: the accelerator if there is one.
        show_progress: Whether a bar shows the batches done.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: For a checkpoint that can't be read, has no config where none is given, or is another model's.
    """

    #: Where names without prefix are looked up if the config has no ``default_scope``.
    default_scope = SCOPE
    #: Around all that is built from the config; for one that came with the checkpoint it is
    #: :func:`~mirl_mm.checkpoint.own_config.building`.
    guard: Callable[[], AbstractContextManager] = nullcontext
    visualize_kwargs = {"out_dir", "draw", "keep_pictures"}
    postprocess_kwargs = {"plain"}

    def __init__(
        self,
        model: str | Path | Config | ConfigDict | dict | None = None,
        weights: str | Path | None = None,
        device: str | None = None,
        show_progress: bool = False,
    ) -> None:
        if isinstance(model, (str, Path)):
            if Path(model).suffix in (".py", ".json", ".yaml", ".yml"):
                model = load_config(model)
            elif not os.path.isfile(model):
                raise FileNotFoundError(f"no config or checkpoint {str(model)!r}")
            elif weights is None:
                model, weights = None, model
            else:
                raise ValueError(f"two checkpoints: model={str(model)!r} and weights={str(weights)!r}; give one")
        if weights is None:
            raise ValueError("a config alone has no weights: give a checkpoint as model or as weights")
        self._skips, self._failed = False, {}  # type: bool, dict[int, str]
        super().__init__(model, str(weights), device, SCOPE, show_progress)

    def __call__(
        self,
        inputs: Images,
        return_datasamples: bool = False,
        batch_size: int = 8,
        *,
        out_dir: str | Path | None = None,
        draw: bool = False,
        keep_pictures: bool = True,
        plain: bool = False,
        on_error: str = "stop",
        **kwargs: Any,
    ) -> dict:
        """Run the model on images.

        Args:
            inputs: An image ``(H, W, 3)`` uint8 RGB, a path, a folder, a glob, or a list of these.
            return_datasamples: Give predictions as data samples, with tensors, rather than as dicts of plain values and
                NumPy arrays.
            batch_size: Images at a time.
            out_dir: Folder for pictures, as PNG files.
            draw: Make pictures also without ``out_dir``.
            keep_pictures: Hand out the pictures, too. Without, those of thousands of images take no memory.
            plain: Predictions as JSON takes them.
            on_error: ``"stop"`` at an image that can't be decoded or does not pass the pipeline, or ``"skip"`` it: the
                others' results are not lost.
            **kwargs: What the inferencer has of its own; see its class.

        Returns:
            ``predictions``, a list with one entry per image, whose ``img_path`` is None for an array; and
            ``visualization``, a list of pictures. With ``on_error="skip"`` also ``failed``, from numbers of images that
            were left out to the reasons.

        Raises:
            FileNotFoundError: For a path or glob that matches no file.
            ValueError: For a folder without images, or a setting out of its range.
            OutputError: If a file would lie among images, or replace one that is not this inferencer's of the image.
            CorruptImageError: For an image that can't be decoded or does not pass the pipeline; skipping, for the last.
        """
        if on_error not in ("stop", "skip"):
            raise ValueError(f"on_error must be 'stop' or 'skip', got {on_error!r}")
        images = expand(inputs)
        for place in filter(None, (out_dir, kwargs.get("mask_dir"))):
            keep_apart(place, given_folders(inputs))
        self.check_outputs(images, out_dir, **kwargs)
        common = {"out_dir": out_dir, "draw": draw, "keep_pictures": keep_pictures, "plain": plain}
        self._skips, self._failed = on_error == "skip", {}
        result = super().__call__(images, return_datasamples, batch_size, **common, **kwargs)
        return {**result, "failed": self._failed} if self._skips else result

    def check_outputs(self, images: Sequence[np.ndarray | str], out_dir: str | Path | None, **own: Any) -> None:
        """Refuse, before the long work, to write over anything.

        Raises:
            OutputError: See :mod:`mirl_mm.outputs`.
        """
        if out_dir is not None:
            self.picture_files(images, out_dir, **own)

    def picture_files(self, images: Sequence[np.ndarray | str], out_dir: str | Path, **own: Any) -> Outputs:
        """The files of pictures, checked; one for each image, unless overridden."""
        return outputs_of_images(type(self).__name__, images, out_dir)

    def check_weights(self, weights: Weights, path: str) -> None:
        """Refuse a checkpoint that can't serve, before anything is built; to be overridden."""

    def adjust_config(self, cfg: Config | ConfigDict) -> None:
        """Change the config before the model is built; to be overridden."""

    @classmethod
    def within_scope(cls, cfg: Config | ConfigDict) -> AbstractContextManager:
        """Names without prefix are those of the config's scope while this context lasts, whatever ran before."""
        return DefaultScope.overwrite_default_scope(cfg.get("default_scope") or cls.default_scope)

    @classmethod
    def model_class(cls, cfg: Config | ConfigDict) -> Any:
        """What the config's model is made by; None if nothing of its name is registered."""
        with cls.within_scope(cfg), MODELS.switch_scope_and_registry(None) as registry:
            return registry.get(cfg.model.type)

    def check_model(self, cfg: Config | ConfigDict, expected: type, lack: str, configs: str) -> None:
        """Refuse other models.

        Args:
            cfg: The config.
            expected: What the model must be.
            lack: What another model does not do, such as ``detects nothing``.
            configs: Folder of configs that do.

        Raises:
            ValueError: If it is another model.
        """
        kind = self.model_class(cfg)
        if not (isinstance(kind, type) and issubclass(kind, expected)):
            raise ValueError(
                f"the config's model is {cfg.model.type}, which {lack}: give the checkpoint of a training with a "
                f"config of {configs}"
            )

    def class_names(self, number: int, given: Sequence[str] | None = None) -> tuple[str, ...]:
        """A name for each of the model's classes.

        Args:
            number: Of the model's classes.
            given: The user's names. Default: those of the training's data set, which the checkpoint holds; ``class 7``
                where it doesn't, or has another number of them.

        Raises:
            ValueError: If there is another number of given names.
        """
        known = self.meta.get("dataset_meta", {}).get("classes", ())
        names = given or (known if len(known) == number else [f"class {i}" for i in range(number)])
        if len(names) != number:
            raise ValueError(f"{len(names)} class names for a model of {number} classes: give one for each, in order")
        return tuple(names)

    def preprocess(self, inputs: list[np.ndarray | str], batch_size: int = 1, seed: int = 0) -> Iterator[dict]:
        """Batches from images; what is random in the pipeline depends on the seed and the image's number only."""

        def run(index: int) -> dict:
            with seeded(draw(seed, 0, index).seed):
                return self.pipeline(inputs[index])

        yield from map(self.collate_fn, self._get_chunk_data(self.passed(run, inputs), batch_size))

    def passed(self, run: Callable[[int], dict], inputs: Sequence[np.ndarray | str]) -> Iterator[dict]:
        """What ``run`` makes of each image's number; see :func:`.pipeline.passed`."""
        return passed(run, inputs, self._skips, self._failed)

    def visualize(
        self,
        inputs: list[np.ndarray | str],
        preds: list,
        out_dir: str | Path | None = None,
        draw: bool = False,
        keep_pictures: bool = True,
        **own: Any,
    ) -> list[np.ndarray]:
        """Pictures, each written to ``out_dir`` as soon as it is drawn; none without it, unless ``draw``."""
        if out_dir is None and not draw:
            return []
        inputs = [image for i, image in enumerate(inputs) if i not in self._failed]
        kept = []
        files = None if out_dir is None else self.picture_files(inputs, out_dir, **own)
        for path, picture in self.pictures(inputs, preds, out_dir or "", **own):
            if files is not None:
                files.put(path, encode_png(picture))
            if keep_pictures:
                kept.append(picture)
        return kept

    def pictures(
        self, inputs: list[np.ndarray | str], preds: list, out_dir: str | Path, **own: Any
    ) -> Iterator[tuple[Path, np.ndarray]]:
        """Draw one picture after the other, ``(H, W, 3)`` uint8 RGB, and say into which file it goes."""
        raise NotImplementedError

    def _inputs_to_list(self, inputs: Images) -> list:
        return expand(inputs)

    def _init_model(self, cfg: Config | ConfigDict, weights: str, device: str = "cpu") -> nn.Module:
        loaded = read_any(weights)
        self.check_weights(loaded, weights)
        if not cfg:
            cfg.update(own_config(loaded, weights))
            self.guard = partial(building, weights, loaded.state)
        self.progress = loaded.progress
        self.meta = loaded.meta
        with self.guard(), self.within_scope(cfg):
            self.adjust_config(cfg)
            model = MODELS.build(cfg.model)
        report = compare(model, loaded.state)
        if not report.complete:
            raise ValueError(
                f"checkpoint {weights!r} does not fit {type(model).__name__}: {report}. It was written for another "
                "model: give the config with which it was trained, or none if the checkpoint has it"
            )
        model.load_state_dict(loaded.state)
        return model.to(device).eval()

    def _init_pipeline(self, cfg: Config | ConfigDict) -> Callable[[np.ndarray | str], dict]:
        """The config's test pipeline."""
        with self.guard():
            return self.image_pipeline(pipeline_steps(cfg))

    @staticmethod
    def image_pipeline(steps: Sequence[dict | Step]) -> Callable[[np.ndarray | str], dict]:
        """A pipeline for paths and arrays: its first step is left out where there is nothing to load.

        Raises:
            ValueError: If it doesn't begin with ``LoadImage``.
        """
        load, *rest = build_pipeline(steps).transforms
        if not isinstance(load, LoadImage):
            raise ValueError(f"the test pipeline must begin with LoadImage, not {load}")

        def run(image: np.ndarray | str) -> dict:
            if isinstance(image, str):
                results = load({"img_path": image})
            else:
                results = {"img": torch.tensor(image).permute(2, 0, 1), "ori_shape": image.shape[:2]}
            for step in rest:
                results = step(results)
            return results

        return run

    def _init_collate(self, cfg: Config | ConfigDict) -> Callable:
        return default_collate

    def _init_visualizer(self, cfg: Config | ConfigDict) -> None:
        """None: pictures are drawn by functions of :mod:`mirl_mm.visualization`."""
