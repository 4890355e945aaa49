"""ViTDet's attention with scores and bias written out, as in detectron2's backbone: the reference for ours.

Same model, same weights. What differs: padding is projected like other tokens, and every block stores its scores, the
bias added to them and their softmax, ``(B * windows * heads, N, N)`` each.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from mirl_mm.models.layers import MapAttention
from mirl_mm.models.layers.relative_position import relative_table
from mirl_mm.models.layers.window import from_windows, pad_map, to_windows, window_padding


@contextmanager
def explicit_attention(backbone: nn.Module) -> Iterator[None]:
    """Within it a backbone on maps (windows or relative positions) computes its attention explicitly.

    Raises:
        ValueError: If the backbone has neither.
    """
    attentions = [module for module in backbone.modules() if isinstance(module, MapAttention)]
    if not attentions:
        raise ValueError("explicit attention is for windows or relative positions, and this backbone has neither")
    for attention in attentions:
        attention.forward = partial(attend_explicitly, attention)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for attention in attentions:
            del attention.forward


def attend_explicitly(attention: MapAttention, x: Tensor) -> Tensor:
    """What :class:`MapAttention` computes: ``(B, H, W, C)`` -> ``(B, H, W, C)``."""
    size = (x.shape[1], x.shape[2])
    window = attention.window_size or size
    windows = to_windows(pad_map(x, window_padding(size, window)), window)  # (B, n, m, h, w, C)
    positions = window[0] * window[1]
    qkv = attention.qkv(windows.reshape(-1, positions, x.shape[3])).unflatten(2, (3, attention.num_heads, -1))
    q, k, v = qkv.permute(2, 0, 3, 1, 4).flatten(1, 2)  # (B * n * m * heads, N, D) each
    scores = (q * q.shape[2] ** -0.5) @ k.transpose(1, 2)
    if attention.rel_pos_size is not None:
        queries = q.unflatten(1, window)
        by_row = torch.einsum("gyxd,ykd->gyxk", queries, relative_table(attention.rel_pos_h, window[0]))
        by_column = torch.einsum("gyxd,xkd->gyxk", queries, relative_table(attention.rel_pos_w, window[1]))
        grid = scores.unflatten(2, window).unflatten(1, window)  # (g, y, x, y', x')
        scores = (grid + by_row[..., None] + by_column[..., None, :]).reshape(scores.shape)
    out = (scores.softmax(dim=-1) @ v).unflatten(0, (-1, attention.num_heads)).transpose(1, 2)
    out = attention.proj(out.reshape(*windows.shape))
    return from_windows(out)[:, : size[0], : size[1]]
