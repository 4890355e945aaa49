"""Crops, flips and resizing: torchvision's v2 transforms on ``results["img"]``.

Images stay uint8: torch then resizes with vector instructions in 16-bit integers, which is both faster than PIL and
within two grey levels of it. Resizing is antialiased.
"""

from collections.abc import Sequence

from torch import nn
from torchvision.transforms import InterpolationMode, v2

from mirl_mm.registry import TRANSFORMS


class _ImageTransform:
    """Applies a torchvision transform to the image alone."""

    def __init__(self, transform: nn.Module) -> None:
        self.transform = transform

    def __call__(self, results: dict) -> dict:
        """Replaces the image."""
        results["img"] = self.transform(results["img"])
        return results

    def __repr__(self) -> str:
        return repr(self.transform)


@TRANSFORMS.register_module()
class RandomResizedCrop(_ImageTransform):
    """Cuts out a random rectangle and resizes it.

    Args:
        size: (H, W) of the output in pixels.
        scale: The rectangle's share of the image's area is drawn between these two.
        ratio: Its width over its height is drawn between these two, evenly in the logarithm.
        interpolation: torchvision's name of the filter.
    """

    def __init__(
        self,
        size: Sequence[int],
        scale: Sequence[float] = (0.2, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: str = "bicubic",
    ) -> None:
        size = _height_width(size, type(self).__name__)
        super().__init__(v2.RandomResizedCrop(size, scale, ratio, InterpolationMode(interpolation), antialias=True))


@TRANSFORMS.register_module()
class RandomFlip(_ImageTransform):
    """Mirrors left and right.

    Args:
        prob: How often, in 0..1.
    """

    def __init__(self, prob: float = 0.5) -> None:
        super().__init__(v2.RandomHorizontalFlip(prob))


@TRANSFORMS.register_module()
class ResizeShortSide(_ImageTransform):
    """Resizes so that the short side gets a given length, the aspect ratio kept.

    Args:
        size: The short side's length in pixels.
        interpolation: torchvision's name of the filter.
    """

    def __init__(self, size: int, interpolation: str = "bicubic") -> None:
        super().__init__(v2.Resize([size], InterpolationMode(interpolation), antialias=True))


@TRANSFORMS.register_module()
class CenterCrop(_ImageTransform):
    """Cuts out the middle; a smaller image is padded with black.

    Args:
        size: (H, W) in pixels.
    """

    def __init__(self, size: Sequence[int]) -> None:
        super().__init__(v2.CenterCrop(_height_width(size, type(self).__name__)))


def _height_width(size: Sequence[int], name: str) -> list[int]:
    """Checks that a size is two positive integers."""
    pair = list(size) if isinstance(size, Sequence) else [size]
    if len(pair) != 2 or not all(isinstance(side, int) and side > 0 for side in pair):
        raise ValueError(f"{name}: size must be (height, width) in pixels, got {size!r}; write size=(224, 224), say")
    return pair
