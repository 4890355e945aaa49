"""Reconstructions drawn during pre-training."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import default_collate
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mirl_mm.datasets.randomness import seeded_index
from mirl_mm.engine.fsdp import gathered
from mirl_mm.engine.hooks.unwrapped import unwrapped_model
from mirl_mm.models.pretrainers import MaskedPretrainer
from mirl_mm.registry import HOOKS

from .draw_reconstruction import reconstruction_grid
from .reconstruction import reconstruct


@HOOKS.register_module()
class ReconstructionHook(Hook):
    """Draws reconstructions of the same images under the same masks as training goes on.

    Images are spread evenly over the validation set, or over the training set if there is none. The pictures go to the
    visualizer as ``reconstruction``: into ``vis_data/vis_image`` of the run's folder and, where it is on, to
    TensorBoard. In the main process only. No random generator and no module's mode is changed: a run ends with the same
    weights with the hook as without.

    Args:
        interval: Epochs between pictures; there is one after the last epoch, too.
        num_images: Rows of a picture.
        seed: Of the masks and, for training images, of their augmentation.
        paste_visible: See :func:`mirl_mm.pretraining.reconstruction.reconstruct`.

    Raises:
        ValueError: If ``interval`` or ``num_images`` is not positive.
        TypeError: If the model is no :class:`~mirl_mm.models.pretrainers.MaskedPretrainer`.
    """

    priority = "LOW"

    def __init__(self, interval: int = 20, num_images: int = 8, seed: int = 0, paste_visible: bool = True) -> None:
        if interval < 1 or num_images < 1:
            raise ValueError(f"interval and num_images must be at least 1, got {interval} and {num_images}")
        self.interval = interval
        self.num_images = num_images
        self.seed = seed
        self.paste_visible = paste_visible
        self._batch: dict[str, Any] | None = None

    def before_train(self, runner: Runner) -> None:
        """Refuse a model that reconstructs nothing, before time is spent."""
        _pretrainer(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Draw if it is time."""
        if self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner):
            model = _pretrainer(runner)
            with gathered(model):
                if is_main_process():
                    self._draw(model, runner)

    def _draw(self, model: MaskedPretrainer, runner: Runner) -> None:
        if self._batch is None:
            self._batch = self._load(runner, model.num_patches)
        data = model.data_preprocessor(self._batch, False)
        result = reconstruct(model, data["inputs"], data["noise"], self.paste_visible)
        labels = [Path(getattr(sample, "img_path", "")).name for sample in data["data_samples"]]
        epoch = runner.epoch + 1
        picture = reconstruction_grid(result.to("cpu"), labels, f"epoch {epoch}, iteration {runner.iter}")
        runner.visualizer.add_image("reconstruction", picture, step=epoch)

    def _load(self, runner: Runner, num_patches: int) -> dict[str, Any]:
        """The images and their noise, collated; drawn as a sampler would draw them, each with a seed of its own."""
        loader = runner.train_dataloader if runner.val_loop is None else runner.val_dataloader
        dataset = loader.dataset
        indices = np.unique(np.linspace(0, len(dataset) - 1, self.num_images).round().astype(int)).tolist()
        batch = default_collate([dataset[seeded_index(self.seed, 0, index)] for index in indices])
        if "noise" not in batch:
            generator = torch.Generator().manual_seed(self.seed)
            batch["noise"] = torch.rand(len(indices), num_patches, generator=generator)
        return batch


def _pretrainer(runner: Runner) -> MaskedPretrainer:
    model = unwrapped_model(runner)
    if not isinstance(model, MaskedPretrainer):
        raise TypeError(f"ReconstructionHook needs MIRL or MAE, not {type(model).__name__}: take it out of the config")
    return model
