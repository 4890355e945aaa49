"""Scores for every pixel of large images without all of them in memory: tiles that join without seams, strips."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]

_STRIP = 2**24  # scores of a strip at most, 64 MiB


class Block(NamedTuple):
    """A finished part of an image: its rows and columns, and its scores ``(C, rows, columns)``."""

    rows: slice
    columns: slice
    scores: Tensor


def check_tiles(tile: Sequence[int], overlap: int | None) -> tuple[Size, int]:
    """Tiles (H, W) that can be laid, and their overlap in pixels; by default a quarter of the shorter side.

    Raises:
        ValueError: If a side is not positive, or tiles overlap by more than half of it.
    """
    if len(tile) != 2 or min(tile) < 1:
        raise ValueError(f"tile must be (H, W) in pixels, both positive, got {tuple(tile)}")
    overlap = min(tile) // 4 if overlap is None else overlap
    if not 0 <= overlap <= min(tile) // 2:
        raise ValueError(f"overlap must lie in 0..{min(tile) // 2}, half of the tile's shorter side, got {overlap}")
    return (int(tile[0]), int(tile[1])), overlap


def blended_tiles(
    score: Callable[[Tensor], Tensor], image: Tensor, tile: Size, overlap: int, batch_size: int = 1
) -> Iterator[Block]:
    """Score an image tile by tile, and blend where tiles overlap.

    Tiles are spread evenly, so that neighbours overlap by ``overlap`` pixels or a little more. There the weight of one
    falls linearly as the other's grows, and no border of a tile shows: equal weights, as in mmseg's slide inference,
    step at both ends of an overlap. What a tile has finished is handed out at once; only scores in overlaps are kept,
    those of one row of tiles: C x overlap x W numbers.

    Args:
        score: ``(N, 3, h, w)`` -> ``(N, C, h, w)``.
        image: ``(3, H, W)``.
        tile: (H, W); an image that is smaller is one tile.
        overlap: In pixels, less than the tile's sides.
        batch_size: Tiles at a time.

    Yields:
        Parts that together cover the image, each pixel once.
    """
    height, width = (min(side, whole) for side, whole in zip(tile, image.shape[-2:], strict=True))
    tops, row_weights = _lay(image.shape[-2], height, overlap)
    lefts, column_weights = _lay(image.shape[-1], width, overlap)
    widest = max((top + height - following for top, following in pairwise(tops[:-1])), default=0)
    below, above = torch.empty(0), 0  # what a row of tiles leaves to the next, over the image's width, and its rows
    for r, top in enumerate(tops[:-1]):
        kept = top + height - tops[r + 1] if r + 2 < len(tops) else 0
        beside: Tensor | None = None
        for c, scores in enumerate(_batches(score, image, top, lefts[:-1], (height, width), batch_size)):
            left, right = lefts[c], lefts[c + 1]
            scores = scores.float() * (row_weights[r][:, None] * column_weights[c]).to(scores.device, torch.float32)
            if beside is not None:
                scores[..., : beside.shape[-1]] += beside
            scores, beside = scores[..., : right - left], scores[..., right - left :].clone()
            if above:
                scores[:, :above] += below[:, :above, left:right]
            if kept:
                if not len(below):
                    below = scores.new_empty(scores.shape[0], widest, image.shape[-1])
                below[:, :kept, left:right] = scores[:, height - kept :]
            yield Block(slice(top, tops[r + 1]), slice(left, right), scores[:, : tops[r + 1] - top])
        above = kept


def resized_strips(scores: Tensor, size: Size, align_corners: bool = False) -> Iterator[Block]:
    """Scores of another size, bilinear, some rows at a time: those of 150 classes for 12 megapixels would take 7 GB.

    Args:
        scores: ``(C, h, w)``.
        size: (H, W).
        align_corners: As in torch's ``interpolate``.

    Yields:
        Strips of the whole width.
    """
    channels, old, _ = scores.shape
    height, width = size
    step = max(_STRIP // (channels * width), 1)
    for top in range(0, height, step):
        rows = torch.arange(top, min(top + step, height), device=scores.device, dtype=torch.float32)
        if align_corners:
            source = rows * ((old - 1) / max(height - 1, 1))
        else:
            source = ((rows + 0.5) * (old / height) - 0.5).clamp(min=0)
        first = source.long().clamp(max=old - 1)
        second = (first + 1).clamp(max=old - 1)
        part = (source - first).to(scores.dtype)[:, None]
        strip = scores[:, first] * (1 - part) + scores[:, second] * part
        strip = F.interpolate(strip[None], (len(rows), width), mode="bilinear", align_corners=align_corners)[0]
        yield Block(slice(top, top + len(rows)), slice(0, width), strip)


def _lay(length: int, tile: int, overlap: int) -> tuple[list[int], Tensor]:
    """Where tiles begin, with the length at the end, and their weights ``(N, tile)``, whose sum at each pixel is 1."""
    number = -(-(length - tile) // (tile - overlap)) + 1
    starts = [round(i * (length - tile) / max(number - 1, 1)) for i in range(number)]
    ramp = (torch.arange(tile, dtype=torch.float64) + 0.5) / max(overlap, 1)
    weight = torch.minimum(ramp, ramp.flip(0)).clamp(max=1)
    total = torch.zeros(length, dtype=torch.float64)
    for start in starts:
        total[start : start + tile] += weight
    weights = torch.stack([weight / total[start : start + tile] for start in starts])
    return [*starts, length], weights


def _batches(
    score: Callable[[Tensor], Tensor], image: Tensor, top: int, lefts: list[int], size: Size, batch_size: int
) -> Iterator[Tensor]:
    """Scores of a row's tiles one by one."""
    for start in range(0, len(lefts), batch_size):
        tiles = [image[:, top : top + size[0], x : x + size[1]] for x in lefts[start : start + batch_size]]
        yield from score(torch.stack(tiles))
