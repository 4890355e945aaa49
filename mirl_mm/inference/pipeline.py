"""Images on their way through the test pipeline."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose

from mirl_mm.datasets.transforms import LoadImage, build_pipeline
from mirl_mm.datasets.transforms.pipeline import Step
from mirl_mm.errors import CorruptImageError


def pipeline_steps(cfg: Config | ConfigDict) -> Sequence[dict]:
    """Of the config's test pipeline.

    Raises:
        ValueError: If it has no loader for test or validation.
    """
    loader = cfg.get("test_dataloader") or cfg.get("val_dataloader")
    if not loader:
        raise ValueError(
            "the config has neither test_dataloader nor val_dataloader, whose pipeline is needed: the run was trained "
            "without validation. Give the config file that it began with, by config=... (--config)"
        )
    return loader.dataset.pipeline


def image_pipeline(steps: Sequence[dict | Step]) -> Callable[[np.ndarray | str], dict]:
    """A pipeline for paths and arrays: its first step is left out where there is nothing to load.

    Raises:
        ValueError: If it doesn't begin with ``LoadImage``.
    """
    load, *rest = build_pipeline(steps).transforms
    others = Compose(rest)
    if not isinstance(load, LoadImage):
        raise ValueError(f"the test pipeline must begin with LoadImage, not {load}")

    def run(image: np.ndarray | str) -> dict:
        if isinstance(image, str):
            return others(load({"img_path": image}))
        return others({"img": torch.tensor(image).permute(2, 0, 1), "ori_shape": image.shape[:2]})

    return run


def chunks(samples: Iterable[dict], size: int) -> Iterator[list[dict]]:
    """So many at a time, the last ones fewer."""
    samples = iter(samples)
    while chunk := list(islice(samples, size)):
        yield chunk


def passed(
    run: Callable[[int], dict], inputs: Sequence[np.ndarray | str], skips: bool, failed: dict[int, str]
) -> Iterator[dict]:
    """What ``run`` makes of each image's number; of those that it can't, an error that names the image, or nothing.

    Args:
        run: From an image's number to what the pipeline gives.
        inputs: The images.
        skips: Whether those that don't pass are left out, unless it is all of them.
        failed: Is filled with their numbers and the reasons.

    Raises:
        CorruptImageError: For an image that does not pass.
        Exception: What a step raises that names the image itself.
    """
    for index, image in enumerate(inputs):
        try:
            yield run(index)
        except Exception as error:  # transforms raise nearly every type there is
            named = error
            if not isinstance(error, CorruptImageError) and str(image) not in str(error):
                name = f"'{image}'" if isinstance(image, str) else f"number {index}, {image.shape[:2]} (H, W),"
                named = CorruptImageError(
                    f"image {name} does not pass the test pipeline: {type(error).__name__}: {error}"
                )
            failed[index] = str(named)
            if not skips or len(failed) == len(inputs):
                raise named from error
