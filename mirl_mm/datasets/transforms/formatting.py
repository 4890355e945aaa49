"""The last steps: what the model gets."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mirl_mm.registry import TRANSFORMS
from mirl_mm.structures import DataSample


@TRANSFORMS.register_module()
class MaskNoise:
    """Sets ``noise``, (L,) float32 in [0, 1): one number per patch, row by row, whose order decides the mask.

    Drawn here and not in the model, a sample's mask follows from seed, epoch and index like its augmentation, and is
    the same whatever the number of processes. Goes after the image has its final size.

    Args:
        patch_size: A patch's (height, width), or one number for both.
    """

    def __init__(self, patch_size: int | Sequence[int] = 16) -> None:
        self.height, self.width = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size

    def __call__(self, results: dict) -> dict:
        """Adds the noise."""
        height, width = results["img"].shape[1:]
        if height % self.height or width % self.width:
            raise ValueError(
                f"MaskNoise: an image of {height} x {width} can't be cut into patches of {self.height} x {self.width}; "
                "give the crop a size that is a multiple of the patch size"
            )
        results["noise"] = torch.rand(height // self.height * (width // self.width))
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(patch_size=({self.height}, {self.width}))"


@TRANSFORMS.register_module()
@dataclass
class PackInputs:
    """Ends a pipeline: ``inputs`` (3, H, W) uint8, ``noise`` (L,) where there is one, and ``data_samples``.

    mmengine's ``default_collate`` makes of these (B, 3, H, W), (B, L) and a list of B samples.

    Args:
        meta_keys: What goes into the data sample, of what is known.
    """

    meta_keys: Sequence[str] = ("img_path", "ori_shape", "gt_label", "skipped")

    def __call__(self, results: dict) -> dict:
        """Returns a new dict of what the model and the hooks use."""
        meta = {key: results[key] for key in self.meta_keys if key in results}
        packed = {"inputs": results["img"].contiguous(), "data_samples": DataSample(metainfo=meta)}
        if "noise" in results:
            packed["noise"] = results["noise"]
        return packed
