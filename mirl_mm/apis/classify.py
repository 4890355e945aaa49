"""Labels for images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config, ConfigDict

from mirl_mm.datasets.decode import load_image
from mirl_mm.models.classifiers import ImageClassifier
from mirl_mm.outputs import Outputs
from mirl_mm.registry import INFERENCERS
from mirl_mm.structures import DataSample
from mirl_mm.visualization.sheet import Entry, contact_sheet

from .base import ImageInferencer
from .inputs import Images
from .pictures import outputs_of_all, picture_paths


@INFERENCERS.register_module()
class ClassifyInferencer(ImageInferencer):
    """Labels and scores from a checkpoint of a fine-tuned or probed classifier.

    Calls take, besides what :class:`ImageInferencer` says:

    - ``top_k`` (int): how many classes a prediction lists, 5, or all if there are fewer.
    - ``per_sheet`` (int): images in a picture, 16. The files are ``classes[_<number>].png``.

    ``predictions`` are dicts of ``img_path`` (None for an array), ``label`` (int), ``name`` (of the class), ``score``
    (0..1) and ``top``, a list of dicts of ``label``, ``name`` and ``score``, best first. Class names are those of the
    training's data set, which the checkpoint holds; ``class 7`` where it doesn't. ``plain`` changes nothing.

    Args:
        model: See :class:`ImageInferencer`.
        weights: See :class:`ImageInferencer`.
        device: See :class:`ImageInferencer`.
        show_progress: See :class:`ImageInferencer`.
        classes: Names of the classes in the order of their labels, in place of the checkpoint's.

    Raises:
        ValueError: For a model that is no classifier, or a number of names that isn't that of its classes; and what
            :class:`ImageInferencer` raises.
    """

    visualize_kwargs = ImageInferencer.visualize_kwargs | {"per_sheet"}
    postprocess_kwargs = ImageInferencer.postprocess_kwargs | {"top_k"}

    def __init__(
        self,
        model: str | Path | Config | ConfigDict | dict | None = None,
        weights: str | Path | None = None,
        device: str | None = None,
        show_progress: bool = False,
        *,
        classes: Sequence[str] | None = None,
    ) -> None:
        super().__init__(model, weights, device, show_progress)
        self.classes = self.class_names(self.model.head.num_classes, classes)

    def __call__(  # type: ignore[override]
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
        top_k: int = 5,
        per_sheet: int = 16,
    ) -> dict:
        """Classify images; see the class and :meth:`ImageInferencer.__call__`.

        Raises:
            ValueError: If ``top_k`` or ``per_sheet`` is not positive.
        """
        if top_k < 1 or per_sheet < 1:
            raise ValueError(f"top_k and per_sheet must be at least 1, got {top_k} and {per_sheet}")
        return super().__call__(
            inputs,
            return_datasamples,
            batch_size,
            out_dir=out_dir,
            draw=draw,
            keep_pictures=keep_pictures,
            plain=plain,
            on_error=on_error,
            top_k=top_k,
            per_sheet=per_sheet,
        )

    def adjust_config(self, cfg: Config | ConfigDict) -> None:
        """Refuse other models.

        Raises:
            ValueError: If the config's model is no classifier.
        """
        self.check_model(cfg, ImageClassifier, "has no classes", "configs/cls")

    def forward(self, inputs: dict) -> list[DataSample]:
        """Each image's data sample with ``pred_score`` and ``pred_label``, on the CPU."""
        return [sample.cpu() for sample in self.model.test_step(inputs)]

    def picture_files(
        self, images: Sequence[np.ndarray | str], out_dir: str | Path, per_sheet: int = 16, **_: Any
    ) -> Outputs:
        """Those of the contact sheets, checked."""
        paths = picture_paths(out_dir, "classes", len(images), per_sheet)
        return outputs_of_all(type(self).__name__, paths, images)

    def pictures(  # type: ignore[override]
        self, inputs: list[np.ndarray | str], preds: list[DataSample], out_dir: str | Path, per_sheet: int = 16
    ) -> Iterator[tuple[Path, np.ndarray]]:
        """A contact sheet for every ``per_sheet`` images."""
        title = ", ".join(filter(None, [type(self.model).__name__, self.progress]))
        paths = picture_paths(out_dir, "classes", len(preds), per_sheet)
        for path, start in zip(paths, range(0, len(preds), per_sheet), strict=True):
            entries = [
                Entry(
                    image if isinstance(image, np.ndarray) else load_image(image).permute(1, 2, 0).numpy(),
                    Path(sample.get("img_path") or f"image {start + i}").name,
                    [(top["name"], top["score"]) for top in self._top(sample, 3)],
                )
                for i, (image, sample) in enumerate(
                    zip(inputs[start : start + per_sheet], preds[start : start + per_sheet], strict=True)
                )
            ]
            yield path, contact_sheet(entries, title=title)

    def postprocess(
        self,
        preds: list[DataSample],
        visualization: list[np.ndarray],
        return_datasamples: bool = False,
        plain: bool = False,
        top_k: int = 5,
    ) -> dict:
        """Predictions, as dicts (which are plain in any case) or data samples, beside the pictures."""
        if return_datasamples:
            return {"predictions": preds, "visualization": visualization}
        predictions = []
        for sample in preds:
            top = self._top(sample, top_k)
            predictions.append({"img_path": sample.get("img_path"), **top[0], "top": top})
        return {"predictions": predictions, "visualization": visualization}

    def _top(self, sample: DataSample, k: int) -> list[dict]:
        scores, labels = sample.pred_score.topk(min(k, len(self.classes)))
        return [
            {"label": label, "name": self.classes[label], "score": score}
            for score, label in zip(scores.tolist(), labels.tolist(), strict=True)
        ]
