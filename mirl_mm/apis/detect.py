"""Objects in images."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from torch import nn

from mirl_mm.datasets.decode import CorruptImageError, load_image
from mirl_mm.file_backend import AtomicLocalBackend
from mirl_mm.registry import INFERENCERS, MODELS
from mirl_mm.visualization.boxes import Instance, draw_instances
from mirl_mm.visualization.grid import encode_png

from .base import ImageInferencer
from .detections import Detections, decode_masks, encode_masks
from .inputs import Images


@INFERENCERS.register_module()
class DetectInferencer(ImageInferencer):
    """Boxes, masks and classes from a checkpoint of a detector. Needs mmdet: ``pip install 'mirl_mm[det]'``.

    Calls take, besides what :class:`ImageInferencer` says:

    - ``score_thr`` (float): least score of an object, 0.3. The config's test_cfg has a threshold of its own.
    - ``out_dir`` (path): where PNG files go, ``<image's name>.png``.
    - ``draw`` (bool): make pictures also without ``out_dir``.
    - ``keep_pictures`` (bool): hand out the pictures, too. Without, thousands of images take no memory.
    - ``plain`` (bool): predictions as JSON takes them: lists, and masks in COCO's run lengths.

    ``predictions`` are dicts of ``img_path`` (None for an array), ``boxes`` ((N, 4) float32, x1, y1, x2, y2 in the
    original image's pixels), ``scores`` ((N,) float32), ``labels`` ((N,) int64), ``names`` (list) and, if the detector
    has them, ``masks`` ((N, H, W) bool, of the original image's size); best first. With ``return_datasamples`` they are
    mmdet's ``DetDataSample``.

    Args:
        model: See :class:`ImageInferencer`.
        weights: See :class:`ImageInferencer`.
        device: See :class:`ImageInferencer`.
        classes: Names of the classes in the order of their labels, in place of the checkpoint's.
        tta: Test-time augmentation: each image in the versions of the config's ``tta_pipeline``, merged by its
            ``tta_model``.
        show_progress: See :class:`ImageInferencer`.

    Raises:
        ImportError: Without mmdet and mmcv's ops.
        ValueError: For a model that is no detector of mmdet's, a number of names that isn't that of its classes, or
            ``tta`` with a config that has none; and what :class:`ImageInferencer` raises.
    """

    default_scope = "mmdet"
    forward_kwargs = {"score_thr"}
    visualize_kwargs = {"out_dir", "draw", "keep_pictures"}
    postprocess_kwargs = {"plain"}

    def __init__(
        self,
        model: str | Path | Config | ConfigDict | dict | None = None,
        weights: str | Path | None = None,
        device: str | None = None,
        classes: Sequence[str] | None = None,
        tta: bool = False,
        show_progress: bool = False,
    ) -> None:
        import mirl_mm.detection  # noqa: F401  # registers, and says what is missing

        self.tta = tta
        super().__init__(model, weights, device, show_progress)
        self.classes = self.class_names(_num_classes(self.model), classes)

    def __call__(  # type: ignore[override]
        self,
        inputs: Images,
        return_datasamples: bool = False,
        batch_size: int = 1,
        score_thr: float = 0.3,
        out_dir: str | Path | None = None,
        draw: bool = False,
        keep_pictures: bool = True,
        plain: bool = False,
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
            score_thr=score_thr,
            out_dir=out_dir,
            draw=draw,
            keep_pictures=keep_pictures,
            plain=plain,
        )

    def adjust_config(self, cfg: Config | ConfigDict) -> None:
        """Refuse other models, and a missing test-time augmentation.

        Raises:
            ValueError: If the config's model is no detector of mmdet's.
        """
        from mmdet.models.detectors import BaseDetector

        with self.within_scope(cfg), MODELS.switch_scope_and_registry(None) as registry:
            kind = registry.get(cfg.model.type)
        if not (isinstance(kind, type) and issubclass(kind, BaseDetector)):
            raise ValueError(
                f"the config's model is {cfg.model.type}, which detects nothing: give the checkpoint of a training "
                "with a config of configs/det"
            )
        if self.tta and not (cfg.get("tta_model") and cfg.get("tta_pipeline")):
            raise ValueError(
                "the config has no test-time augmentation: it needs tta_model and tta_pipeline (see docs/inference.md)"
            )

    @torch.inference_mode()
    def forward(self, inputs: dict, score_thr: float = 0.3) -> list[tuple[Any, Detections]]:
        """Each image's data sample, without its large masks, and what was found in it."""
        samples = (self.augmented or self.model).test_step(inputs)
        return [(sample, self._found(sample, score_thr)) for sample in samples]

    def visualize(
        self,
        inputs: list[np.ndarray | str],
        preds: list[tuple[Any, Detections]],
        out_dir: str | Path | None = None,
        draw: bool = False,
        keep_pictures: bool = True,
    ) -> list[np.ndarray]:
        """A picture for each image, also written to ``out_dir``; none without it, unless ``draw``."""
        if out_dir is None and not draw:
            return []
        pictures = []
        paths = detection_paths(out_dir or "", inputs)
        for image, (_, found), path in zip(inputs, preds, paths, strict=True):
            picture = draw_instances(_pixels(image), list(_instances(found)))
            if out_dir is not None:
                AtomicLocalBackend().put(encode_png(picture), path)
            if keep_pictures:
                pictures.append(picture)
        return pictures

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
        sample = sample.cpu()
        found = sample.pred_instances
        found = found[found.scores >= score_thr]
        found = found[found.scores.argsort(descending=True, stable=True)]
        masks = found.pop("masks", None)
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

    def _init_model(self, cfg: Config | ConfigDict, weights: str, device: str = "cpu") -> nn.Module:
        model = super()._init_model(cfg, weights, device)
        self.augmented: Any = None  # the model in its test-time augmentation
        if self.tta:
            with self.within_scope(cfg):
                self.augmented = MODELS.build({**cfg.tta_model, "module": model}).to(device).eval()
        return model

    def _init_pipeline(self, cfg: Config | ConfigDict) -> Callable[[np.ndarray | str], dict]:
        """The config's test pipeline, or that of its test-time augmentation, for paths and arrays."""
        steps = cfg.get("tta_pipeline") if self.tta else self._test_steps(cfg)
        if not steps or not str(steps[0].get("type")).endswith("LoadImageFromFile"):
            raise ValueError(
                f"the test pipeline must begin with LoadImageFromFile, not {steps[0] if steps else 'nothing'}"
            )
        with self.within_scope(cfg):
            load, *rest = Compose(_without_annotations(steps)).transforms

        def run(image: np.ndarray | str) -> dict:
            if isinstance(image, str):
                try:
                    results = load({"img_path": image, "img_id": 0})
                except Exception as error:  # decoders raise nearly every type there is
                    raise CorruptImageError(f"cannot read image '{image}': {type(error).__name__}: {error}") from error
            else:
                size = image.shape[:2]
                bgr = np.ascontiguousarray(image[..., ::-1])  # as mmdet's loader gives it
                results = {"img": bgr, "img_id": 0, "img_shape": size, "ori_shape": size}
            for step in rest:
                results = step(results)
            return results

        return run

    @staticmethod
    def _test_steps(cfg: Config | ConfigDict) -> Sequence[dict]:
        loader = cfg.get("test_dataloader") or cfg.get("val_dataloader")
        if not loader:
            raise ValueError("the config has neither test_dataloader nor val_dataloader, whose pipeline is needed")
        return loader.dataset.pipeline

    def _init_collate(self, cfg: Config | ConfigDict) -> Callable:
        return pseudo_collate  # images of one batch may differ in size


def detection_paths(out_dir: str | Path, inputs: Sequence[np.ndarray | str]) -> list[Path]:
    """The files into which pictures of images go: their names with .png, numbered where two would be the same."""
    taken: set[str] = set()
    paths = []
    for i, image in enumerate(inputs):
        stem = Path(image).stem if isinstance(image, str) else f"image_{i}"
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        paths.append(Path(out_dir) / f"{name}.png")
    return paths


def _without_annotations(steps: Sequence[dict]) -> list[dict]:
    """A pipeline's steps but for those that load annotations, which there are none of; also within TestTimeAug."""
    kept = []
    for step in steps:
        if str(step["type"]).endswith("Annotations"):
            continue
        if "transforms" in step:
            branches = [_without_annotations(branch) for branch in step["transforms"]]
            step = {**step, "transforms": [branch for branch in branches if branch]}
        kept.append(step)
    return kept


def _num_classes(model: nn.Module) -> int:
    """Of the box head; a cascade's are all the same."""
    heads = [m for name, m in model.named_modules() if "bbox_head" in name and hasattr(m, "num_classes")]
    return int(heads[0].num_classes)


def _instances(found: Detections) -> Iterator[Instance]:
    masks = [None] * len(found.names) if found.masks is None else decode_masks(found.masks, found.size)
    for box, score, label, name, mask in zip(found.boxes, found.scores, found.labels, found.names, masks, strict=True):
        yield Instance(box.tolist(), int(label), f"{name} {score:.2f}", mask)


def _pixels(image: np.ndarray | str) -> np.ndarray:
    """``(H, W, 3)`` uint8 RGB, turned as mmdet's loader turns it."""
    return image if isinstance(image, np.ndarray) else load_image(image, exif=True).permute(1, 2, 0).numpy()


def _with_masks(sample: Any, found: Detections) -> Any:
    if found.masks is not None:
        sample.pred_instances.masks = torch.from_numpy(decode_masks(found.masks, found.size))
    return sample
