"""Masks as they are read for training and evaluation, and resized with their images."""

import mmcv
from mmcv.transforms import Resize as MMCVResize
from mmseg.datasets.transforms import LoadAnnotations as MMSegLoadAnnotations

from mirl_mm.datasets.seg_maps import check_size, read_seg_map
from mirl_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadAnnotations(MMSegLoadAnnotations):
    """mmseg's ``LoadAnnotations`` for our data set: a mask's values, checked, to labels.

    mmseg's own casts values to 8 bits in silence and leaves a value outside of the classes to the loss, which on a GPU
    stops with an assertion that names neither file nor value.

    Required keys are ``seg_map_path`` and ``seg_map_rules``, of
    :class:`~mirl_mm.segmentation.mmseg_parts.ADE20KDataset`, and those of a loaded image; added are ``gt_seg_map``,
    ``(H, W)`` uint8, 255 where there is no label, and ``seg_fields``.

    Raises:
        ValueError: If the mask has another size than the image, or a value that is no class; names file and value.
        CorruptImageError: If the mask can't be read.
    """

    def _load_seg_map(self, results: dict) -> None:
        path = results["seg_map_path"]
        values = read_seg_map(path)
        if "ori_shape" in results:
            check_size(values.shape, results["ori_shape"][:2], path, results["img_path"])
        results["gt_seg_map"] = results["seg_map_rules"].labels(values, path)
        results["seg_fields"].append("gt_seg_map")


@TRANSFORMS.register_module()
class CentredResize(MMCVResize):
    """mmcv's ``Resize`` (same arguments, keys and images) which leaves labels where the image's objects are.

    Each pixel of the new map gets the label under its centre: Pillow's nearest. OpenCV's, which mmcv's default backend
    takes, is that under the pixel's upper left corner, while its bilinear images are centred: labels then lie half a
    pixel, on average over scales, to the right of the image and below it. As part of a random resize:
    ``dict(type="RandomResize", resize_type="mirl_mm.CentredResize", ...)``.
    """

    def _resize_seg(self, results: dict) -> None:
        if results.get("gt_seg_map") is not None:
            size = results["img_shape"][::-1]
            results["gt_seg_map"] = mmcv.imresize(
                results["gt_seg_map"], size, interpolation="nearest", backend="pillow"
            )
