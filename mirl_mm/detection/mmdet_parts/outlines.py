"""Bitmaps to polygons that cover the very same pixels."""

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry


def outlines(mask: NDArray[np.integer]) -> list[NDArray[np.float64]]:
    """Polygons along the edges of the pixels of a bitmap ``(H, W)`` that are not 0.

    Pixel (row, column) is the square from (column, row) to (column + 1, row + 1), as in COCO's boxes. What has holes is
    cut in two through one of them until none is left, since a list of polygons can't say what is a hole.

    Returns:
        For each polygon ``(2 N,)``: x0, y0, x1, y1, ... They may touch, and never overlap; none for an empty mask.
    """
    steps = np.diff(np.pad(mask > 0, ((1, 1), (0, 0))).astype(np.int8), axis=0).T  # a row for each column
    columns, tops = np.nonzero(steps == 1)
    _, bottoms = np.nonzero(steps == -1)
    pieces = _polygons(shapely.union_all(shapely.box(columns, tops, columns + 1, bottoms)).simplify(0))
    whole: list[NDArray[np.float64]] = []
    while pieces:
        piece = pieces.pop()
        if piece.interiors:
            left, top, right, bottom = piece.bounds
            middle = piece.interiors[0].centroid.x
            for half in (shapely.box(left, top, middle, bottom), shapely.box(middle, top, right, bottom)):
                pieces += _polygons(piece.intersection(half))
        else:
            whole.append(np.asarray(piece.exterior.coords)[:-1].ravel())
    return whole


def _polygons(shape: BaseGeometry) -> list[Polygon]:
    return [part for part in getattr(shape, "geoms", [shape]) if isinstance(part, Polygon) and not part.is_empty]
