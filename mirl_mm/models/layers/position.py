"""Fixed sin-cos positions and resampling of position embeddings, for grids (h, w) of any shape."""

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]


def sincos_position(embed_dims: int, grid: Size, num_prefix: int = 1) -> Tensor:
    """Fixed 2-D sin-cos position embedding, as in MAE and MIRL.

    The first half of the channels encodes the column, the second half the row; within a half, sines come before
    cosines, with frequencies ``10000^(-k / (embed_dims / 4))`` (facebookresearch/mae ``util/pos_embed.py``; checked
    against golden tensors, bit for bit after rounding to float32).

    Args:
        embed_dims: Channels C, divisible by 4.
        grid: Patches (h, w).
        num_prefix: Leading tokens (class token) whose position is zero.

    Returns:
        ``(1, num_prefix + h*w, C)`` float32.

    Raises:
        ValueError: If ``embed_dims`` is not divisible by 4.
    """
    if embed_dims % 4:
        raise ValueError(f"sin-cos positions need embed_dims divisible by 4, got {embed_dims}")
    frequency = 10000.0 ** -(torch.arange(embed_dims // 4, dtype=torch.float64) / (embed_dims / 4))
    row, column = (torch.arange(n, dtype=torch.float64)[:, None] * frequency for n in grid)
    row = torch.cat([row.sin(), row.cos()], dim=1)  # (h, C/2)
    column = torch.cat([column.sin(), column.cos()], dim=1)  # (w, C/2)
    h, w = grid
    position = torch.cat([column[None].expand(h, -1, -1), row[:, None].expand(-1, w, -1)], dim=2).flatten(0, 1)
    return F.pad(position, (0, 0, num_prefix, 0)).float()[None]


def resample_position(
    position: Tensor, old_grid: Size, new_grid: Size, num_prefix: int = 1, antialias: bool = False
) -> Tensor:
    """Resize a position embedding from one grid to another, bicubic.

    Unlike ``timm.layers.resample_abs_pos_embed`` it also resamples when both grids have the same number of patches
    but another shape. It resizes to a size, never by a factor, so no rounding can give a wrong grid.

    Args:
        position: ``(1, num_prefix + h_old*w_old, C)``.
        old_grid: (h_old, w_old).
        new_grid: (h_new, w_new).
        num_prefix: Leading tokens that are kept as they are.
        antialias: timm's way; MAE's and MIRL's is without.

    Returns:
        ``(1, num_prefix + h_new*w_new, C)`` in the dtype of ``position``.

    Raises:
        ValueError: If ``position`` does not have the tokens of ``old_grid``.
    """
    tokens = position.shape[1] - num_prefix
    if tokens != old_grid[0] * old_grid[1]:
        raise ValueError(f"a position embedding of {tokens} patches is no {old_grid[0]} x {old_grid[1]} grid")
    if old_grid == new_grid:
        return position
    prefix, patches = position[:, :num_prefix], position[:, num_prefix:]
    patches = patches.float().unflatten(1, old_grid).permute(0, 3, 1, 2)
    patches = F.interpolate(patches, size=new_grid, mode="bicubic", align_corners=False, antialias=antialias)
    return torch.cat([prefix, patches.flatten(2).transpose(1, 2).to(position.dtype)], dim=1)
