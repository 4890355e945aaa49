"""Objects in images."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from mirl_mm.inference.base import Image
from mirl_mm.inference.commands import Command, Flag, file_flag, write_json
from mirl_mm.inference.mmlab import TTA, MMLabInferencer, pixels_of
from mirl_mm.registry import INFERENCERS
from mirl_mm.text import shortlist

from .draw_instances import Instance, draw_instances
from .predictions import CocoIds, Detections, coco_results, decode_masks, encode_masks


@dataclass(frozen=True)
class DetectOptions:
    """What calls of :class:`DetectInferencer` take besides.

    Attributes:
        score_thr: Least score of an object. The config's test_cfg has a threshold of its own.
    """

    score_thr: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.score_thr <= 1:
            raise ValueError(f"score_thr must lie in 0..1, got {self.score_thr}")


class DetectCommand(Command):
    """Finds objects."""

    flags = (
        Flag("--score-thr", "least score of an object, 0..1", 0.3, {"type": float}),
        file_flag("--coco-results", "write the objects in COCO's results format", "writes"),
        file_flag("--annotations", "COCO file whose ids --coco-results takes", "reads"),
        TTA,
    )

    def problem(self, args: Namespace) -> str:
        """Both or none of the options for COCO's results."""
        both = (args.coco_results is None) == (args.annotations is None)
        return "" if both else "--coco-results and --annotations go together: the one has the ids of the other"

    def check(self, args: Namespace, images: Sequence[str]) -> None:
        """Refuse images that the annotation file doesn't know."""
        self.ids = CocoIds.read(args.annotations) if args.annotations else None
        if self.ids:
            for image in images:
                self.ids.image_id(image)

    def line(self, item: dict) -> str:
        """The best objects."""
        named = [f"{name} {score:.2f}" for name, score in zip(item["names"], item["scores"], strict=True)]
        return shortlist(named) or "nothing"

    def write(self, predictions: list[dict], images: Sequence[str], args: Namespace) -> None:
        """All objects, also in COCO's format."""
        super().write(predictions, images, args)
        if self.ids:
            write_json(args.coco_results, coco_results(predictions, self.ids))


@INFERENCERS.register_module()
class DetectInferencer(MMLabInferencer):
    """Boxes, masks and classes from a checkpoint of a detector. Needs mmdet: ``pip install 'mirl_mm[det]'``.

    Calls take what :class:`~mirl_mm.inference.base.ImageInferencer` says, and the fields of :class:`DetectOptions`.

    Pictures are one for each image, ``<image's name>.png``.

    ``predictions`` are dicts of ``img_path`` (None for an array), ``boxes`` ((N, 4) float32, x1, y1, x2, y2 in the
    original image's pixels), ``scores`` ((N,) float32), ``labels`` ((N,) int64), ``names`` (list) and, if the detector
    has them, ``masks`` ((N, H, W) bool, of the original image's size); best first. ``plain`` ones have lists, and masks
    in COCO's run lengths. With ``return_datasamples`` they are mmdet's ``DetDataSample``.

    Args:
        *args: As :class:`~mirl_mm.inference.base.ImageInferencer` has them.
        classes: Names of the classes in the order of their labels, in place of the checkpoint's.
        **kwargs: Likewise, by name; ``tta`` as :class:`~mirl_mm.inference.mmlab.MMLabInferencer`.

    Raises:
        ImportError: Without mmdet and mmcv's ops.
        ValueError: For a model that is no detector of mmdet's, a number of names that isn't that of its classes, or
            ``tta`` with a config that has none; and what :class:`~mirl_mm.inference.base.ImageInferencer` raises.
    """

    Options = DetectOptions
    command = DetectCommand
    models, lack, configs = "detectors", "detects nothing", "configs/det"
    default_scope = "mmdet"

    def __init__(self, *args: Any, classes: Sequence[str] | None = None, **kwargs: Any) -> None:
        import mirl_mm.detection.mmdet_parts  # noqa: F401  # registers, and says what is missing

        super().__init__(*args, **kwargs)
        self.classes = self.class_names(_num_classes(self.model), classes)

    @classmethod
    def base_model(cls) -> type:
        """Detectors of mmdet."""
        from mmdet.models.detectors import BaseDetector

        return BaseDetector

    @torch.inference_mode()
    def forward(self, inputs: dict, options: DetectOptions) -> list[tuple[Any, Detections]]:
        """Each image's data sample, without its large masks, and what was found in it."""
        samples = (self.augmented or self.model).test_step(inputs)
        return [(sample, self._found(sample, options.score_thr)) for sample in samples]

    def as_dict(self, found: tuple[Any, Detections], plain: bool, options: DetectOptions) -> dict:
        """The objects."""
        return found[1].as_dict(plain)

    def as_sample(self, found: tuple[Any, Detections]) -> Any:
        """A data sample of mmdet's, with masks if there are any."""
        sample, detections = found
        if detections.masks is not None:
            sample.pred_instances.masks = torch.from_numpy(decode_masks(detections.masks, detections.size))
        return sample

    def picture(self, images: Sequence[Image], found: Sequence[tuple[Any, Detections]], *_: Any) -> np.ndarray:
        """The objects in their image."""
        return draw_instances(pixels_of(images[0]), list(_instances(found[0][1])))

    def _found(self, sample: Any, score_thr: float) -> Detections:
        """What was found in an image; the data sample keeps the same objects without masks."""
        from mmdet.structures.mask import mask2bbox

        sample = sample.cpu()
        found = sample.pred_instances
        found = found[found.scores >= score_thr]
        found = found[found.scores.argsort(descending=True, stable=True)]
        masks = found.pop("masks", None)
        if masks is not None and not found.bboxes.any():  # SOLO's, which has masks alone
            found.bboxes = mask2bbox(torch.as_tensor(masks))
        sample.pred_instances = found
        labels = found.labels.numpy()
        return Detections(
            sample.get("img_path"),
            tuple(sample.ori_shape),
            found.bboxes.float().numpy(),
            found.scores.float().numpy(),
            labels,
            tuple(self.classes[label] for label in labels),
            None if masks is None else encode_masks(np.asarray(masks)),
        )


def _num_classes(model: nn.Module) -> int:
    """Of the box head, all of a cascade's being the same; of a detector without, the head that has the masks."""
    for part in ("bbox_head", "head"):
        for name, module in model.named_modules():
            number = getattr(module, "num_things_classes", getattr(module, "num_classes", None))
            if part in name and isinstance(number, int):
                return number
    raise ValueError(f"{type(model).__name__} has no head with a number of classes: its objects have no names")


def _instances(found: Detections) -> Iterator[Instance]:
    masks = [None] * len(found.names) if found.masks is None else decode_masks(found.masks, found.size)
    for box, score, label, name, mask in zip(found.boxes, found.scores, found.labels, found.names, masks, strict=True):
        yield Instance(box.tolist(), int(label), f"{name} {score:.2f}", mask)
