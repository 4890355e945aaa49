"""Attention between the places of a token map, with decomposed relative positions, on PyTorch's fused kernel.

Shape suffixes: B batch, h, w the map (or a window), N = h*w, C channels, D = C / heads.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import fused_attention

#: Fused kernels want heads of a multiple of this many channels (16 bytes in half precision).
_ALIGNED = 8

Tables = tuple[Tensor, Tensor]


def attend_map(q: Tensor, k: Tensor, v: Tensor, tables: Tables | None = None) -> Tensor:
    """Attention from every place of a map to every place.

    With relative positions, the bias ``q . R_h[y - y'] + q . R_w[x - x']`` is a product of h + w numbers of the query
    (:func:`relative_terms`) with the one-hot row and column of the key. Appended to q and k they make it part of the
    fused kernel's own scores: exact, and nothing of size N x N is stored.

    Args:
        q: ``(..., heads, h, w, D)``; scores are scaled by 1 / sqrt(D).
        k: The same shape.
        v: The same shape.
        tables: ``(h, h, D)`` and ``(w, w, D)`` from :func:`relative_table`.

    Returns:
        ``(..., heads, h, w, D)``.
    """
    shape, dim = q.shape, q.shape[-1]
    if tables is not None:
        # The kernel scales all scores; the bias is not to be scaled, so the tables are divided by the scale before.
        terms = relative_terms(q, tables[0] * math.sqrt(dim), tables[1] * math.sqrt(dim))
        places = one_hot_places((shape[-3], shape[-2]), k.dtype, k.device).expand(*k.shape[:-1], -1)
        spare = (0, -(dim + places.shape[-1]) % _ALIGNED)
        q = F.pad(torch.cat([q, *terms], dim=-1), spare)
        k = F.pad(torch.cat([k, places], dim=-1), spare)
        v = F.pad(v, (0, q.shape[-1] - dim))  # most kernels want equal heads, or fall back to N x N scores
    q, k, v = (x.reshape(-1, shape[-4], shape[-3] * shape[-2], x.shape[-1]) for x in (q, k, v))
    return fused_attention(q, k, v, dim**-0.5)[..., :dim].reshape(shape)


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


def one_hot_places(size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """``(h, w, h + w)``: at (y, x) a one for row y and a one for column x."""
    h, w = size
    rows = torch.eye(h, dtype=dtype, device=device)[:, None].expand(-1, w, -1)
    columns = torch.eye(w, dtype=dtype, device=device).expand(h, -1, -1)
    return torch.cat([rows, columns], dim=-1)
