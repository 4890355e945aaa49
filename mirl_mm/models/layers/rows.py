"""Rows of a table for each sample, with a gradient that no device has to wait for."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def take_rows(table: Tensor, ids: Tensor) -> Tensor:
    """``table[ids]``: (L, C), (B, M) -> (B, M, C), with a gradient that is summed over the batch in float32.

    Every row collects up to B terms; in bfloat16 their sum would lose what a matmul's does not.

    Args:
        table: ``(L, C)``.
        ids: ``(B, M)`` indices of rows; on a GPU none twice in a sample, as of masked patches.
    """
    if table.device.type == "cuda":
        return TakeRows.apply(table, ids)
    return F.embedding(ids, at_least_float32(table)).to(table.dtype)


class TakeRows(torch.autograd.Function):
    """:func:`take_rows` for a GPU: ``embedding``'s gradient makes the host wait there, others add up in any order.

    As a sample has a row at most once, its gradient is put at the row's index, and then summed over the batch:
    always in the same order.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor) -> Tensor:
        """``(L, C)``, ``(B, M)`` -> ``(B, M, C)``."""
        ctx.save_for_backward(ids)
        ctx.num_rows = table.shape[0]
        return table.index_select(0, ids.flatten()).unflatten(0, ids.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """``(B, M, C)`` -> ``(L, C)``."""
        (ids,) = ctx.saved_tensors
        placed = grad.new_zeros(grad.shape[0], ctx.num_rows, grad.shape[2])
        placed = placed.scatter(1, ids[..., None].expand_as(grad), grad)
        return placed.sum(dim=0, dtype=torch.promote_types(grad.dtype, torch.float32)).to(grad.dtype), None


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in float32, or in its own type where that is float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
