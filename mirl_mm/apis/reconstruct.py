"""See what a pre-trained model makes of masked images."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict

from mirl_mm.checkpoint.read import Weights
from mirl_mm.models.pretrainers import MaskedPretrainer
from mirl_mm.outputs import Outputs
from mirl_mm.registry import INFERENCERS
from mirl_mm.structures import DataSample
from mirl_mm.visualization.grid import reconstruction_grid, to_uint8
from mirl_mm.visualization.reconstruction import Reconstruction, reconstruct

from .base import ImageInferencer
from .inputs import Images
from .pictures import outputs_of_all, picture_paths


@INFERENCERS.register_module()
class ReconstructInferencer(ImageInferencer):
    """Original, masked image and the predictions of a MIRL or MAE checkpoint: for each pair main, residual and sum.

    Predictions are shown un-normalised by the mean and deviation of the **original's** patches, which the model does
    not know; see :class:`~mirl_mm.visualization.reconstruction.Reconstruction`.

    Calls take, besides what :class:`ImageInferencer` says:

    - ``seed`` (int): of the masks; image number i has the same mask in every call with the same seed.
    - ``paste_visible`` (bool): the original at visible patches (default) rather than their untrained predictions.
    - ``rows`` (int): images per picture, 8. The files are ``reconstruction[_<number>].png``.

    Pictures are made by default (``draw=True``).

    ``predictions`` are dicts of ``img_path`` (None for an array), ``losses`` (loss term to number), ``mask``
    (``(h, w)`` bool, True = masked) and ``images`` (title to ``(H, W, 3)`` uint8; titles are ``original``, ``masked``,
    ``pair 1+6: main``, ``pair 1+6: residual``, ``pair 1+6: sum``, ...; ``prediction`` for MAE). ``plain`` ones have no
    images, and the mask as lists.

    Args:
        model: See :class:`ImageInferencer`.
        weights: See :class:`ImageInferencer`.
        device: See :class:`ImageInferencer`.
        show_progress: See :class:`ImageInferencer`.
        mask_ratio: Share of masked patches, in place of the config's.

    Raises:
        ValueError: For a checkpoint without decoder, and what :class:`ImageInferencer` raises.
    """

    preprocess_kwargs = {"seed"}
    forward_kwargs = {"paste_visible"}
    visualize_kwargs = ImageInferencer.visualize_kwargs | {"rows"}

    def __init__(
        self,
        model: str | Path | Config | ConfigDict | dict | None = None,
        weights: str | Path | None = None,
        device: str | None = None,
        show_progress: bool = False,
        *,
        mask_ratio: float | None = None,
    ) -> None:
        self.mask_ratio = mask_ratio
        super().__init__(model, weights, device, show_progress)

    def __call__(  # type: ignore[override]
        self,
        inputs: Images,
        return_datasamples: bool = False,
        batch_size: int = 8,
        *,
        out_dir: str | Path | None = None,
        draw: bool = True,
        keep_pictures: bool = True,
        plain: bool = False,
        on_error: str = "stop",
        seed: int = 0,
        paste_visible: bool = True,
        rows: int = 8,
    ) -> dict:
        """Reconstruct images; see the class and :meth:`ImageInferencer.__call__`.

        Raises:
            ValueError: If ``rows`` is not positive.
        """
        if rows < 1:
            raise ValueError(f"rows must be at least 1, got {rows}")
        return super().__call__(
            inputs,
            return_datasamples,
            batch_size,
            out_dir=out_dir,
            draw=draw,
            keep_pictures=keep_pictures,
            plain=plain,
            on_error=on_error,
            seed=seed,
            paste_visible=paste_visible,
            rows=rows,
        )

    def check_weights(self, weights: Weights, path: str) -> None:
        """Refuse a backbone, classifier or detector.

        Raises:
            ValueError: If no tensor belongs to a decoder.
        """
        if not any(re.match(r"decoders?\.", name) for name in weights.state):
            raise ValueError(
                f"checkpoint {path!r} has no decoder (its tensors begin with {', '.join(_roots(weights))}): nothing "
                "in it can reconstruct. Give the pre-training checkpoint that tools/train.py wrote with a config of "
                "configs/pretrain, not an extracted backbone or a fine-tuned model"
            )

    def adjust_config(self, cfg: Config | ConfigDict) -> None:
        """Set the mask ratio.

        Raises:
            ValueError: If the config's model is no pre-trainer.
        """
        self.check_model(cfg, MaskedPretrainer, "reconstructs nothing", "configs/pretrain")
        if self.mask_ratio is not None:
            cfg.model.mask_ratio = self.mask_ratio

    def forward(self, inputs: dict, paste_visible: bool = True) -> list[tuple[DataSample, Reconstruction]]:
        """Each image of a batch with its reconstruction."""
        data = self.model.data_preprocessor(inputs, False)
        batch = reconstruct(self.model, data["inputs"], data["noise"], paste_visible)
        return list(zip(data["data_samples"], batch.to("cpu").split(), strict=True))

    def picture_files(
        self, images: Sequence[np.ndarray | str], out_dir: str | Path, rows: int = 8, **_: Any
    ) -> Outputs:
        """Those of the grids, checked."""
        paths = picture_paths(out_dir, "reconstruction", len(images), rows)
        return outputs_of_all(type(self).__name__, paths, images)

    def pictures(  # type: ignore[override]
        self,
        inputs: list[np.ndarray | str],
        preds: list[tuple[DataSample, Reconstruction]],
        out_dir: str | Path,
        rows: int = 8,
    ) -> Iterator[tuple[Path, np.ndarray]]:
        """A picture for every ``rows`` images."""
        facts = [type(self.model).__name__, f"{self.model.mask_ratio:.0%} masked", self.progress]
        title = ", ".join(filter(None, facts))
        paths = picture_paths(out_dir, "reconstruction", len(preds), rows)
        for path, start in zip(paths, range(0, len(preds), rows), strict=True):
            samples, results = zip(*preds[start : start + rows], strict=True)
            labels = [Path(sample.get("img_path", f"image {start + i}")).name for i, sample in enumerate(samples)]
            yield path, reconstruction_grid(Reconstruction.join(results), labels, title)

    def postprocess(
        self,
        preds: list[tuple[DataSample, Reconstruction]],
        visualization: list[np.ndarray],
        return_datasamples: bool = False,
        plain: bool = False,
    ) -> dict:
        """Predictions, as dicts or data samples, beside the pictures."""
        predictions: list[DataSample | dict] = []
        for sample, result in preds:
            losses = {name: value.item() for name, value in result.losses.items()}
            if return_datasamples:
                images = {title: batch[0] for title, batch in result.images.items()}
                sample.set_data({"losses": losses, "mask": result.mask[0], "images": images})
                predictions.append(sample)
            elif plain:
                mask = result.mask[0].tolist()
                predictions.append({"img_path": sample.get("img_path"), "losses": losses, "mask": mask})
            else:
                predictions.append(
                    {
                        "img_path": sample.get("img_path"),
                        "losses": losses,
                        "mask": result.mask[0].numpy(),
                        "images": {title: to_uint8(batch[0]) for title, batch in result.images.items()},
                    }
                )
        return {"predictions": predictions, "visualization": visualization}

    def _init_pipeline(self, cfg: Config | ConfigDict) -> Callable[[np.ndarray | str], dict]:
        """The test pipeline; noise for the mask is drawn here if the pipeline leaves that to the model."""
        run = super()._init_pipeline(cfg)

        def with_noise(image: np.ndarray | str) -> dict:
            data = run(image)
            data.setdefault("noise", torch.rand(self.model.num_patches))
            return data

        return with_noise


def _roots(weights: Weights) -> list[str]:
    return sorted({name.split(".")[0] for name in weights.state})[:5]
