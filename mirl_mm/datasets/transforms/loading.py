"""The first step: from a path to pixels."""

from mirl_mm.registry import TRANSFORMS

from ..decode import load_image


@TRANSFORMS.register_module()
class LoadImage:
    """Sets ``img``, (3, H, W) uint8 RGB, and ``ori_shape``, its (H, W), from ``img_path``.

    Args:
        exif: Whether to turn the image as its EXIF orientation says.

    Raises:
        CorruptImageError: On a file that can't be decoded.
    """

    def __init__(self, exif: bool = False) -> None:
        self.exif = exif

    def __call__(self, results: dict) -> dict:
        """Adds the image and its size."""
        image = load_image(results["img_path"], self.exif)
        results["img"] = image
        results["ori_shape"] = tuple(image.shape[1:])
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(exif={self.exif})"
