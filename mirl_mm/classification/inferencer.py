"""Labels for images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mirl_mm.datasets.decode import load_image
from mirl_mm.inference.base import Image, ImageInferencer
from mirl_mm.inference.commands import Command, Flag
from mirl_mm.registry import INFERENCERS
from mirl_mm.structures import DataSample
from mirl_mm.visualization.contact_sheet import Entry, contact_sheet

from . import ImageClassifier


@dataclass(frozen=True)
class ClassifyOptions:
    """What calls of :class:`ClassifyInferencer` take besides.

    Attributes:
        top_k: How many classes a prediction lists, or all if there are fewer.
        per_sheet: Images in a picture. The files are ``classes[_<number>].png``.
    """

    top_k: int = 5
    per_sheet: int = 16

    def __post_init__(self) -> None:
        if self.top_k < 1 or self.per_sheet < 1:
            raise ValueError(f"top_k and per_sheet must be at least 1, got {self.top_k} and {self.per_sheet}")


class ClassifyCommand(Command):
    """Labels images."""

    flags = (Flag("--top-k", "classes listed for an image", 5, {"type": int}),)

    def line(self, item: dict) -> str:
        """The best classes."""
        return ", ".join(f"{top['name']} {top['score']:.1%}" for top in item["top"])


@INFERENCERS.register_module()
class ClassifyInferencer(ImageInferencer):
    """Labels and scores from a checkpoint of a fine-tuned or probed classifier.

    Calls take what :class:`ImageInferencer` says, and the fields of :class:`ClassifyOptions`.

    ``predictions`` are dicts of ``img_path`` (None for an array), ``label`` (int), ``name`` (of the class), ``score``
    (0..1) and ``top``, a list of dicts of ``label``, ``name`` and ``score``, best first. Class names are those of the
    training's data set, which the checkpoint holds; ``class 7`` where it doesn't. ``plain`` changes nothing.

    Args:
        *args: As :class:`ImageInferencer` has them.
        classes: Names of the classes in the order of their labels, in place of the checkpoint's.
        **kwargs: Likewise, by name.

    Raises:
        ValueError: For a model that is no classifier, or a number of names that isn't that of its classes; and what
            :class:`ImageInferencer` raises.
    """

    Options = ClassifyOptions
    command = ClassifyCommand
    models, lack, configs = "classifiers", "has no classes", "configs/cls"

    def __init__(self, *args: Any, classes: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.classes = self.class_names(self.model.head.num_classes, classes)

    @classmethod
    def base_model(cls) -> type:
        """Our classifier."""
        return ImageClassifier

    def forward(self, inputs: dict, options: ClassifyOptions) -> list[DataSample]:
        """Each image's data sample with ``pred_score`` and ``pred_label``, on the CPU."""
        return [sample.cpu() for sample in self.model.test_step(inputs)]

    def as_dict(self, found: DataSample, plain: bool, options: ClassifyOptions) -> dict:
        """The best classes; plain in any case."""
        top = self._top(found, options.top_k)
        return {"img_path": found.get("img_path"), **top[0], "top": top}

    def as_sample(self, found: DataSample) -> DataSample:
        """As the model gave it."""
        return found

    def sheets(self, options: ClassifyOptions) -> tuple[str, int]:
        """Contact sheets."""
        return "classes", options.per_sheet

    def picture(self, images: Sequence[Image], found: Sequence[DataSample], first: int, options: Any) -> np.ndarray:
        """A contact sheet."""
        entries = [
            Entry(
                image if isinstance(image, np.ndarray) else load_image(image).permute(1, 2, 0).numpy(),
                Path(sample.get("img_path") or f"image {first + i}").name,
                [(top["name"], top["score"]) for top in self._top(sample, 3)],
            )
            for i, (image, sample) in enumerate(zip(images, found, strict=True))
        ]
        return contact_sheet(entries, title=", ".join(filter(None, [type(self.model).__name__, self.progress])))

    def _top(self, sample: DataSample, k: int) -> list[dict]:
        scores, labels = sample.pred_score.topk(min(k, len(self.classes)))
        return [
            {"label": label, "name": self.classes[label], "score": score}
            for score, label in zip(scores.tolist(), labels.tolist(), strict=True)
        ]
