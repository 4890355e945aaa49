"""Images to patches and back, and the embedding of chosen patches only.

Shapes: B batch, L = h*w patches, K chosen patches, p patch size (rows, columns), C channels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from timm.layers import PatchEmbed
from torch import Tensor

from .position import Size


def patch_grid(img_size: Sequence[int], patch_size: Size) -> Size:
    """Patches (h, w) of an image.

    Raises:
        ValueError: If a side of the image is not a positive multiple of the patch's.
    """
    for name, image, patch in zip(("height", "width"), img_size, patch_size, strict=True):
        if image <= 0 or image % patch:
            below, above = max(image // patch, 1) * patch, (max(image, 0) // patch + 1) * patch
            raise ValueError(
                f"image {name} {image} is not divisible by the patch {name} {patch}: use {below} or {above}, or pad"
            )
    return img_size[0] // patch_size[0], img_size[1] // patch_size[1]


def take_patches(images: Tensor, ids: Tensor, patch_size: Size) -> Tensor:
    """Cut chosen patches out of images without touching the others.

    Args:
        images: ``(B, C, H, W)``.
        ids: ``(B, K)`` patch indices, row by row.
        patch_size: (rows, columns) of a patch.

    Returns:
        ``(B, K, C, rows, columns)``.
    """
    rows, columns = patch_size
    width = images.shape[3] // columns
    grid = images.unflatten(3, (width, columns)).unflatten(2, (-1, rows)).permute(0, 2, 4, 1, 3, 5)
    batch = torch.arange(ids.shape[0], device=ids.device)[:, None]
    return grid[batch, ids.div(width, rounding_mode="floor"), ids.remainder(width)]


def patchify(images: Tensor, patch_size: Size) -> Tensor:
    """``(B, C, H, W)`` -> ``(B, L, rows*columns*C)``, pixel order (row, column, channel) inside a patch."""
    rows, columns = patch_size
    x = images.unflatten(3, (-1, columns)).unflatten(2, (-1, rows))
    return x.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def unpatchify(patches: Tensor, grid: Size, patch_size: Size, channels: int = 3) -> Tensor:
    """Inverse of :func:`patchify`: ``(B, L, rows*columns*C)`` -> ``(B, C, H, W)``."""
    x = patches.unflatten(2, (*patch_size, channels)).unflatten(1, grid)
    return x.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


def embed_patches(patches: Tensor, patch_embed: PatchEmbed) -> Tensor:
    """Apply a patch embedding to cut-out patches: ``(B, K, C, rows, columns)`` -> ``(B, K, dim)``.

    The same values as the convolution gives at those positions.
    """
    conv = patch_embed.proj
    return F.linear(patches.flatten(2), conv.weight.flatten(1), conv.bias)
