"""Crops, flips and resizing of ``results["img"]``, as torchvision's v2 transforms do it: same draws, same pixels.

Images stay uint8: torch then resizes with vector instructions in 16-bit integers, which is both faster than PIL and
within two grey levels of it. Resizing is antialiased. Torchvision's modules check the arguments, but its kernels are
called: between two decodings, with cold caches, the modules' dispatch takes longer than a flip or a crop's draws.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms import RandomResizedCrop as TorchvisionCrop
from torchvision.transforms.v2 import functional as kernels

from mirl_mm.registry import TRANSFORMS


class _ImageTransform:
    """Changes the image alone.

    Args:
        module: Torchvision's transform of the same arguments; it checks them and describes itself.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, results: dict) -> dict:
        """Replaces the image, (3, H, W) uint8."""
        results["img"] = self.apply(results["img"])
        return results

    def apply(self, image: Tensor) -> Tensor:
        """The changed image."""
        return self.module(image)

    def __repr__(self) -> str:
        return repr(self.module)


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
        self.size = _height_width(size, type(self).__name__)
        self.scale, self.ratio = list(scale), list(ratio)
        self.interpolation = InterpolationMode(interpolation)
        super().__init__(v2.RandomResizedCrop(self.size, scale, ratio, self.interpolation, antialias=True))

    def apply(self, image: Tensor) -> Tensor:
        """``(3, *size)``, channels last in memory."""
        top, left, height, width = TorchvisionCrop.get_params(image, self.scale, self.ratio)
        # torch's filter is fastest where pixels lie together, and copies such a rectangle slower than numpy.
        pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy()[top : top + height, left : left + width])
        crop = torch.from_numpy(pixels).permute(2, 0, 1)
        return kernels.resize_image(crop, self.size, self.interpolation, antialias=True)


@TRANSFORMS.register_module()
class RandomFlip(_ImageTransform):
    """Mirrors left and right.

    Args:
        prob: How often, in 0..1.
    """

    def __init__(self, prob: float = 0.5) -> None:
        super().__init__(v2.RandomHorizontalFlip(prob))
        self.prob = prob

    def apply(self, image: Tensor) -> Tensor:
        """The image or its mirror image."""
        return image.flip(-1) if torch.rand(1) < self.prob else image


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
