"""Images on their way through the test pipeline."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from mmengine.config import Config, ConfigDict

from mirl_mm.datasets.decode import CorruptImageError


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
