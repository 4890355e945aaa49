"""What inferencers for mmdet's and mmseg's models share: pipelines of their kind, and test-time augmentation."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from torch import nn

from mirl_mm.datasets.decode import load_image
from mirl_mm.errors import CorruptImageError
from mirl_mm.registry import MODELS

from .base import Image, ImageInferencer
from .commands import Flag
from .pipeline import pipeline_steps

TTA = Flag(
    "--tta",
    "test-time augmentation, as the config has it",
    False,
    {"action": "store_true", "default": None},
    builds=True,
)


class MMLabInferencer(ImageInferencer):
    """Base of inferencers for models whose pipelines begin with ``LoadImageFromFile``.

    Args:
        *args: As :class:`ImageInferencer` has them.
        tta: Test-time augmentation: each image in the versions of the config's ``tta_pipeline``, merged by its
            ``tta_model``.
        **kwargs: Likewise, by name.

    Raises:
        ValueError: For ``tta`` with a config that has none; and what :class:`ImageInferencer` raises.
    """

    batch_size = 1

    def __init__(self, *args: Any, tta: bool = False, **kwargs: Any) -> None:
        self.tta = tta
        super().__init__(*args, **kwargs)

    def adjust_config(self, cfg: Config | ConfigDict) -> None:
        """Refuse other models, and a missing test-time augmentation.

        Raises:
            ValueError: If it is another model, or ``tta`` is not in the config.
        """
        super().adjust_config(cfg)
        if self.tta and not (cfg.get("tta_model") and cfg.get("tta_pipeline")):
            raise ValueError(
                "the config has no test-time augmentation: it needs tta_model and tta_pipeline (see docs/inference.md)"
            )

    def _init_model(self, cfg: Config | ConfigDict, path: str, device: str) -> nn.Module:
        model = super()._init_model(cfg, path, device)
        self.augmented: Any = None  # the model in its test-time augmentation
        if self.tta:
            with self.guard(), self.within_scope(cfg):
                augmented = MODELS.build({**cfg.tta_model, "module": model})
            self.augmented = augmented.to(device).eval()
        return model

    def _init_pipeline(self, cfg: Config | ConfigDict) -> Callable[[Image], dict]:
        """The config's test pipeline, or that of its test-time augmentation, for paths and arrays."""
        steps = cfg.get("tta_pipeline") if self.tta else pipeline_steps(cfg)
        with self.guard(), self.within_scope(cfg):
            if not steps or not str(steps[0].get("type")).endswith("LoadImageFromFile"):
                raise ValueError(
                    f"the test pipeline must begin with LoadImageFromFile, not {steps[0] if steps else 'nothing'}"
                )
            self._load, *rest = Compose(_without_annotations(steps)).transforms
        others = Compose(rest)
        return lambda image: others(self.loaded(image))

    def loaded(self, image: Image) -> dict:
        """What the pipeline's first step gives: ``img``, ``(H, W, 3)`` uint8 BGR, ``img_path``, ``ori_shape`` ...

        Raises:
            CorruptImageError: For a file that can't be decoded.
        """
        if isinstance(image, str):
            try:
                return self._load({"img_path": image, "img_id": 0})
            except Exception as error:  # decoders raise nearly every type there is
                load_image(image)  # says what is wrong with the file, where mmcv's decoder says but that something is
                raise CorruptImageError(f"cannot read image '{image}': {type(error).__name__}: {error}") from error
        size = image.shape[:2]
        bgr = np.ascontiguousarray(image[..., ::-1])
        return {"img": bgr, "img_id": 0, "img_path": None, "img_shape": size, "ori_shape": size}

    def collate_fn(self, samples: Sequence[dict]) -> Any:
        """A batch, whose images may differ in size."""
        return pseudo_collate(samples)


def pixels_of(image: Image) -> np.ndarray:
    """``(H, W, 3)`` uint8 RGB, turned as ``LoadImageFromFile`` turns it."""
    return image if isinstance(image, np.ndarray) else load_image(image, exif=True).permute(1, 2, 0).numpy()


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
