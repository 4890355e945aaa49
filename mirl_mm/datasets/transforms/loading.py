"""The first step: from a path to pixels."""

from dataclasses import dataclass

from mirl_mm.registry import TRANSFORMS

from ..decode import load_image


@TRANSFORMS.register_module()
@dataclass
class LoadImage:
    """Sets ``img``, (3, H, W) uint8 RGB, and ``ori_shape``, its (H, W), from ``img_path``.

    Args:
        exif: Whether to turn the image as its EXIF orientation says.

    Raises:
        CorruptImageError: On a file that can't be decoded.
    """

    exif: bool = False

    def __call__(self, results: dict) -> dict:
        """Adds the image and its size."""
        image = load_image(results["img_path"], self.exif)
        results["img"] = image
        results["ori_shape"] = tuple(image.shape[1:])
        return results
