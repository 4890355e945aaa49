"""Attention with decomposed relative positions on a CPU, tile by tile.

The appended form (``attention_rel_pos.py``) makes queries, keys and values up to three times as wide, and products
are what a CPU is short of: on a map of 64 x 64 it was slower there than explicit attention. Here scores are made
for a tile at a time, small enough to stay in the cache, and made again in the backward pass (Rabe and Staats,
"Self-attention Does Not Need O(n^2) Memory"; Dao et al., "FlashAttention").

Shapes: G groups (images x windows x heads), h, w the map, N = h*w positions, R of them in a tile, D channels.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: Scores of a tile: 2 MB in float32. Half, twice and four times as many were as fast.
TILE_SCORES = 2**19


class TiledMapAttention(torch.autograd.Function):
    """``softmax(scale * q k' + q . R_h + q . R_w) v``, of which only inputs, output and a sum per query are kept.

    Scores, softmax and sums over tiles are at least float32, whatever the inputs; products with the softmax are in the
    inputs' dtype.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, table_h: Tensor, table_w: Tensor) -> Tensor:
        """Three contiguous ``(G, h, w, D)``, ``(h, h, D)``, ``(w, w, D)`` -> ``(G, h, w, D)``; scale is 1 / sqrt(D)."""
        scores = _Scores(q, k, table_h, table_w)
        values, out = v.flatten(1, 2), torch.empty_like(q)
        flat, log_sums = out.flatten(1, 2), scores.q.new_empty(*scores.q.shape[:2], 1)
        for groups, rows in scores.tiles():
            weights = scores.tile(groups, rows, None)
            top = weights.amax(dim=-1, keepdim=True)
            total = weights.sub_(top).exp_().sum(dim=-1, keepdim=True)
            flat[groups, rows] = torch.bmm(weights.to(v.dtype), values[groups]) / total
            log_sums[groups, rows] = top + total.log()
        ctx.save_for_backward(q, k, v, table_h, table_w, out, log_sums)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        """Gradients of the five."""
        q, k, v, table_h, table_w, out, log_sums = ctx.saved_tensors
        size, dtype = q.shape[1:3], q.dtype
        scores = _Scores(q, k, table_h, table_w)
        wide = scores.q.dtype
        delta = (grad * out).sum(dim=-1, keepdim=True, dtype=wide).flatten(1, 2)
        queries, keys, values, grad = (x.flatten(1, 2) for x in (q, k, v, grad.contiguous()))
        grad_q, grad_k, grad_v = (torch.zeros_like(scores.q) for _ in range(3))
        grad_terms = [torch.empty_like(terms) for terms in scores.terms]
        for groups, rows in scores.tiles():
            weights = scores.tile(groups, rows, log_sums).exp_()
            grad_v[groups] += torch.bmm(weights.to(dtype).transpose(1, 2), grad[groups, rows])
            grad_weights = torch.bmm(grad[groups, rows], values[groups].transpose(1, 2))
            grad_scores = weights.mul_(grad_weights.sub_(delta[groups, rows]))
            for terms, axis in zip(grad_terms, (3, 2), strict=True):
                terms[groups, rows] = grad_scores.unflatten(2, size).sum(dim=axis)
            half = grad_scores.to(dtype)
            grad_q[groups, rows] = torch.bmm(half, keys[groups]).to(wide)
            grad_k[groups] += torch.bmm(half.transpose(1, 2), queries[groups, rows])
        grad_q, grad_k = (x.mul_(scores.scale).unflatten(1, size) for x in (grad_q, grad_k))
        rows_terms, column_terms = (terms.unflatten(1, size) for terms in grad_terms)
        grad_q += torch.einsum("gyxk,ykd->gyxd", rows_terms, table_h.to(wide))
        grad_q += torch.einsum("gyxk,xkd->gyxd", column_terms, table_w.to(wide))
        grad_h = torch.einsum("gyxd,gyxk->ykd", q.to(wide), rows_terms)
        grad_w = torch.einsum("gyxd,gyxk->xkd", q.to(wide), column_terms)
        grads = (grad_q, grad_k, grad_v.unflatten(1, size))
        return (*(x.to(dtype) for x in grads), grad_h.to(table_h.dtype), grad_w.to(table_w.dtype))


class _Scores:
    """Scores of one attention, a tile at a time, all in one block of memory.

    Args:
        q: ``(G, h, w, D)``.
        k: The same.
        table_h: ``(h, h, D)``.
        table_w: ``(w, w, D)``.
    """

    def __init__(self, q: Tensor, k: Tensor, table_h: Tensor, table_w: Tensor) -> None:
        wide = torch.promote_types(q.dtype, torch.float32)
        self.scale = q.shape[-1] ** -0.5
        self.size = q.shape[1:3]
        q = q.to(wide)
        self.q = q.flatten(1, 2)
        self.keys = k.to(wide).flatten(1, 2).transpose(1, 2)
        self.terms = [
            torch.einsum(equation, q, table.to(wide)).flatten(1, 2)
            for equation, table in (("gyxd,ykd->gyxk", table_h), ("gyxd,xkd->gyxk", table_w))
        ]
        groups, positions = self.q.shape[:2]
        self._rows = min(positions, max(1, TILE_SCORES // positions))
        self._groups = min(groups, max(1, TILE_SCORES // (self._rows * positions)))
        self._memory = self.q.new_empty(self._groups * self._rows * positions)

    def tiles(self) -> Iterator[tuple[slice, slice]]:
        """Slices of the groups and of the queries."""
        for group in range(0, self.q.shape[0], self._groups):
            for row in range(0, self.q.shape[1], self._rows):
                yield slice(group, group + self._groups), slice(row, row + self._rows)

    def tile(self, groups: slice, rows: slice, offset: Tensor | None) -> Tensor:
        """Scores ``(groups, R, N)``, less ``offset`` (G, N, 1); they are overwritten by the next tile's."""
        queries = self.q[groups, rows]
        by_row, by_column = (terms[groups, rows] for terms in self.terms)
        if offset is not None:
            by_row = by_row - offset[groups, rows]
        shape = (*queries.shape[:2], *self.size)
        scores = self._memory[: shape[0] * shape[1] * shape[2] * shape[3]].view(shape)
        torch.add(by_row[..., None], by_column[:, :, None], out=scores)
        scores = scores.flatten(2)
        return torch.baddbmm(scores, queries, self.keys[groups], alpha=self.scale, out=scores)
