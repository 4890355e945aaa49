"""Boxes and masks as they are read for training."""

from typing import Any

import numpy as np
from mmdet.datasets.transforms import LoadAnnotations
from numpy.typing import NDArray

from mirl_mm.registry import TRANSFORMS

from .outlines import outlines


@TRANSFORMS.register_module()
class LoadPolygons(LoadAnnotations):
    """mmdet's ``LoadAnnotations`` whose masks are polygons, run lengths (RLE) included.

    Polygons are flipped, resized and cropped exactly, and so are the boxes that ``RandomCrop`` takes from them, as in
    detectron2. mmdet's bitmaps are not: OpenCV's nearest pixel is not centred, which brings masks and boxes half a
    pixel to the right and below the image, and whole pixels are as fine as boxes get. (With ``poly2mask=False``
    mmdet leaves objects with run lengths out, and cuts coordinates that the file has as integers to integers.)

    Arguments, required keys and added ones are mmdet's; ``gt_masks`` are ``PolygonMasks``.

    Raises:
        ValueError: If run lengths are of another size than their image; names the image and both sizes.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(poly2mask=False, **kwargs)

    def _process_masks(self, results: dict) -> list[list[NDArray[np.float64]]]:
        size = tuple(results["ori_shape"])
        for instance in results.get("instances", []):
            mask = instance["mask"]
            if isinstance(mask, dict):
                if tuple(mask["size"]) != size:
                    raise ValueError(
                        f"an object of '{results['img_path']}' has run lengths of {tuple(mask['size'])} (H, W), the "
                        f"image is {size}: correct the annotation file"
                    )
                instance["mask"] = outlines(self._poly2mask(mask, *size))
        masks = super()._process_masks(results)
        return [[np.asarray(polygon, dtype=np.float64) for polygon in polygons] for polygons in masks]
