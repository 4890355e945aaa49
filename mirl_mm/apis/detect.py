"""Objects in images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from torch import nn

from mirl_mm.registry import INFERENCERS
from mirl_mm.visualization.boxes import Instance, draw_instances

from .detections import Detections, decode_masks, encode_masks
from .inputs import Images
from .mmlab import MMLabInferencer, pixels_of
from .pictures import image_paths


@INFERENCERS.register_module()
class DetectInferencer(MMLabInferencer):
    """Boxes, masks and classes from a checkpoint of a detector. Needs mmdet: ``pip install 'mirl_mm[det]'``.

    Calls take, besides what :class:`ImageInferencer` says:

    - ``score_thr`` (float): least score of an object, 0.3. The config's test_cfg has a threshold of its own.

    Pictures are one for each image, ``<image's name>.png``.

    ``predictions`` are dicts of ``img_path`` (None for an array), ``boxes`` ((N, 4) float32, x1, y1, x2, y2 in the
    original image's pixels), ``scores`` ((N,) float32), ``labels`` ((N,) int64), ``names`` (list) and, if the detector
    has them, ``masks`` ((N, H, W) bool, of the original image's size); best first. ``plain`` ones have lists, and masks
    in COCO's run lengths. With ``return_datasamples`` they are mmdet's ``DetDataSample``.

    Args:
        model: See :class:`ImageInferencer`.
        weights: See :class:`ImageInferencer`.
        device: See :class:`ImageInferencer`.
        show_progress: See :class:`ImageInferencer`.
        classes: Names of the classes in the order of their labels, in place of the checkpoint's.
        tta: See :class:`~mirl_mm.apis.mmlab.MMLabInferencer`.

    Raises:
        ImportError: Without mmdet and mmcv's ops.
        ValueError: For a model that is no detector of mmdet's, a number of names that isn't that of its classes, or
            ``tta`` with a config that has none; and what :class:`ImageInferencer` raises.
    """

    default_scope = "mmdet"
    forward_kwargs = {"score_thr"}

    def __init__(
        self,
        model: str | Path | Config | ConfigDict | dict | None = None,
        weights: str | Path | None = None,
        device: str | None = None,
        show_progress: bool = False,
        *,
        classes: Sequence[str] | None = None,
        tta: bool = False,
    ) -> None:
        import mirl_mm.detection  # noqa: F401  # registers, and says what is missing

        super().__init__(model, weights, device, show_progress, tta=tta)
        self.classes = self.class_names(_num_classes(self.model), classes)

    def __call__(  # type: ignore[override]
        self,
        inputs: Images,
        return_datasamples: bool = False,
        batch_size: int = 1,
        *,
        out_dir: str | Path | None = None,
        draw: bool = False,
        keep_pictures: bool = True,
        plain: bool = False,
        on_error: str = "stop",
        score_thr: float = 0.3,
    ) -> dict:
        """Detect objects; see the class and :meth:`ImageInferencer.__call__`.

        Raises:
            ValueError: If ``score_thr`` is not in 0..1.
        """
        if not 0 <= score_thr <= 1:
            raise ValueError(f"score_thr must lie in 0..1, got {score_thr}")
        return super().__call__(
            inputs,
            return_datasamples,
            batch_size,
            out_dir=out_dir,
            draw=draw,
            keep_pictures=keep_pictures,
            plain=plain,
            on_error=on_error,
            score_thr=score_thr,
        )

    def adjust_config(self, cfg: Config | ConfigDict) -> None:
        """Refuse other models, and a missing test-time augmentation.

        Raises:
            ValueError: If the config's model is no detector of mmdet's.
        """
        from mmdet.models.detectors import BaseDetector

        self.check_model(cfg, BaseDetector, "detects nothing", "configs/det")

    @torch.inference_mode()
    def forward(self, inputs: dict, score_thr: float = 0.3) -> list[tuple[Any, Detections]]:
        """Each image's data sample, without its large masks, and what was found in it."""
        samples = (self.augmented or self.model).test_step(inputs)
        return [(sample, self._found(sample, score_thr)) for sample in samples]

    def pictures(  # type: ignore[override]
        self, inputs: list[np.ndarray | str], preds: list[tuple[Any, Detections]], out_dir: str | Path
    ) -> Iterator[tuple[Path, np.ndarray]]:
        """A picture for each image."""
        for image, (_, found), path in zip(inputs, preds, image_paths(out_dir, inputs), strict=True):
            yield path, draw_instances(pixels_of(image), list(_instances(found)))

    def postprocess(
        self,
        preds: list[tuple[Any, Detections]],
        visualization: list[np.ndarray],
        return_datasamples: bool = False,
        plain: bool = False,
    ) -> dict:
        """Predictions, as dicts or data samples, beside the pictures."""
        if return_datasamples:
            predictions = [_with_masks(sample, found) for sample, found in preds]
        else:
            predictions = [found.as_plain() if plain else found.as_dict() for _, found in preds]
        return {"predictions": predictions, "visualization": visualization}

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


def _with_masks(sample: Any, found: Detections) -> Any:
    if found.masks is not None:
        sample.pred_instances.masks = torch.from_numpy(decode_masks(found.masks, found.size))
    return sample
