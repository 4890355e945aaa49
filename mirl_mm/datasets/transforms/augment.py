"""Changes of colour and shape, as timm makes them."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageOps
from timm.data import rand_augment_transform
from timm.data.transforms import str_to_pil_interp

from mirl_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandAugment:
    """timm's RandAugment: random operations of PIL, drawn from a list of 15.

    With the arguments that timm's ``create_transform`` gives it in the recipes of MAE and MIRL. The randomness is of
    ``random`` and NumPy's global generator, which the data set seeds for every sample.

    Args:
        policy: timm's description: ``m`` the operations' magnitude, ``mstd`` its deviation, ``n`` how many operations
            (2), ``inc1`` for operations that get stronger with the magnitude throughout.
        fill: RGB of what comes into view from beyond the image; default: ImageNet's mean.
        interpolation: Filter of rotations, shears and shifts; ``random`` for either of bilinear and bicubic.

    Raises:
        ValueError: For a policy that isn't RandAugment's.
    """

    def __init__(
        self,
        policy: str = "rand-m9-mstd0.5-inc1",
        fill: Sequence[int] = (124, 116, 104),
        interpolation: str = "bicubic",
    ) -> None:
        self.policy = policy
        # timm's translate_const, which depends on the image's size, is no matter: shifts are relative in RandAugment.
        settings: dict = {"img_mean": tuple(fill)}
        if interpolation != "random":
            settings["interpolation"] = str_to_pil_interp(interpolation)
        try:
            self.transform = rand_augment_transform(policy, settings)
        except AssertionError as error:
            raise ValueError(
                f"RandAugment: timm can't read the policy {policy!r} ({error}); write it like 'rand-m9-mstd0.5-inc1'"
            ) from error
        for operation in self.transform.ops:
            if operation.name.startswith("Posterize"):
                operation.aug_fn = _posterize

    def __call__(self, results: dict) -> dict:
        """Replaces the image, (3, H, W) uint8 RGB before and after."""
        image = self.transform(Image.fromarray(results["img"].permute(1, 2, 0).numpy()))
        results["img"] = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.policy!r})"


def _posterize(image: Image.Image, bits: int, **_: object) -> Image.Image:
    """Keeps 0..8 bits of each colour. timm asks for 0 at magnitude 10, and Pillow, black before 13, refuses since."""
    if bits >= 8:
        return image
    return ImageOps.posterize(image, bits) if bits >= 1 else Image.new(image.mode, image.size)
