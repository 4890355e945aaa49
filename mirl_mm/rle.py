"""One object's pixels: their run lengths, and the box around them."""

import numpy as np
from numpy.typing import NDArray


def encode_rle(mask: NDArray[np.bool_]) -> dict[str, list[int]]:
    """Encodes a mask, (H, W) bool, as COCO's uncompressed run lengths, without pycocotools.

    Returns:
        ``size``: [H, W]; ``counts``: lengths of the runs of alternately False and True pixels down the columns, the
        first one (which may be 0) of False.
    """
    pixels = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(pixels[1:] != pixels[:-1])
    return {"size": list(mask.shape), "counts": np.diff(changes, prepend=0, append=mask.size).tolist()}


def box_of(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """(x1, y1, x2, y2) around a mask, (H, W) bool, that is not empty; the last column and row are x2 - 1 and y2 - 1."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
