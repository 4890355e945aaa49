"""Attention between the positions of a token map, with decomposed relative positions, and no N x N bias stored.

Shapes: B batch, h, w the map (or a window), N = h*w, C channels, D = C / heads.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import fused_attention
from .attention_rel_pos_cpu import TiledMapAttention
from .device import device_kind

#: Fused kernels want heads of a multiple of this many channels (16 bytes in half precision).
_ALIGNED = 8

Tables = tuple[Tensor, Tensor]


def attend_map(q: Tensor, k: Tensor, v: Tensor, tables: Tables | None = None) -> Tensor:
    """Attention from every position of a map to every position.

    Args:
        q: ``(..., heads, h, w, D)``; scores are scaled by 1 / sqrt(D).
        k: The same shape.
        v: The same shape.
        tables: ``(h, h, D)`` and ``(w, w, D)`` from :func:`.relative_position.relative_table`; None: no positions.

    Returns:
        ``(..., heads, h, w, D)``.
    """
    shape = q.shape
    if tables is not None and _in_tiles(q):
        with torch.autocast("cpu", enabled=False):
            out = TiledMapAttention.apply(*(x.reshape(-1, *shape[-3:]).contiguous() for x in (q, k, v)), *tables)
        return out.reshape(shape)
    if tables is not None:
        q, k, v = append_relative(q, k, v, tables)
    q, k, v = (x.reshape(-1, shape[-4], shape[-3] * shape[-2], x.shape[-1]) for x in (q, k, v))
    return fused_attention(q, k, v, shape[-1] ** -0.5)[..., : shape[-1]].reshape(shape)


def _in_tiles(q: Tensor) -> bool:
    """Whether the CPU's own way is taken. Compilers want PyTorch's kernel."""
    return device_kind(q) == "cpu" and not torch.compiler.is_compiling()


def append_relative(q: Tensor, k: Tensor, v: Tensor, tables: Tables) -> tuple[Tensor, Tensor, Tensor]:
    """Widen q and k so that their product has the relative positions in it.

    The bias ``q . R_h[y - y'] + q . R_w[x - x']`` is a product of h + w numbers of the query (:func:`relative_terms`)
    with the one-hot row and column of the key. Appended, they make it part of a fused kernel's own scores: exact, and
    nothing of size N x N is ever stored. Kernels for heads of up to 256 channels take images of up to 1536 x 1536
    (D = 64, patches of 16 pixels).

    Args:
        q: ``(..., h, w, D)``.
        k: The same shape.
        v: The same shape.
        tables: ``(h, h, D)`` and ``(w, w, D)``.

    Returns:
        ``(..., h, w, E)`` each, E = D + h + w, rounded up; of the product with v the first D channels count. The scale
        of the scores stays 1 / sqrt(D).
    """
    dim = q.shape[-1]
    # The kernel scales all scores, and the bias is not to be scaled: the tables are divided by the scale before.
    terms = relative_terms(q, tables[0] * math.sqrt(dim), tables[1] * math.sqrt(dim))
    positions = one_hot_positions((q.shape[-3], q.shape[-2]), k.dtype, k.device).expand(*k.shape[:-1], -1)
    spare = (0, -(dim + positions.shape[-1]) % _ALIGNED)
    q = F.pad(torch.cat([q, *terms], dim=-1), spare)
    k = F.pad(torch.cat([k, positions], dim=-1), spare)
    return q, k, F.pad(v, (0, q.shape[-1] - dim))  # heads of unequal width would fall back to stored scores


def relative_terms(q: Tensor, table_h: Tensor, table_w: Tensor) -> Tables:
    """A query's products with the embeddings of its distances to all rows and to all columns.

    Args:
        q: ``(..., h, w, D)``.
        table_h: ``(h, h, D)``.
        table_w: ``(w, w, D)``.

    Returns:
        ``(..., h, w, h)`` and ``(..., h, w, w)``.
    """
    table_h, table_w = table_h.to(q.dtype), table_w.to(q.dtype)
    return torch.einsum("...yxd,ykd->...yxk", q, table_h), torch.einsum("...yxd,xkd->...yxk", q, table_w)


def one_hot_positions(size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """``(h, w, h + w)``: at (y, x) a one for row y and a one for column x."""
    h, w = size
    rows = torch.eye(h, dtype=dtype, device=device)[:, None].expand(-1, w, -1)
    columns = torch.eye(w, dtype=dtype, device=device).expand(h, -1, -1)
    return torch.cat([rows, columns], dim=-1)
