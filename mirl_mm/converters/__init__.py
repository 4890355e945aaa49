"""Other annotation formats into COCO's, and into segmentation maps."""

from .coco_builder import AnnotationError, CocoBuilder, Problems
from .coco_masks import coco_to_masks
from .colours import colours_to_masks
from .finders import find_voc, find_yolo
from .instances import instances_to_coco
from .seg_maps import print_masks
from .summary import print_summary
from .voc import voc_to_coco
from .yolo import yolo_to_coco

__all__ = [
    "AnnotationError",
    "CocoBuilder",
    "Problems",
    "coco_to_masks",
    "colours_to_masks",
    "find_voc",
    "find_yolo",
    "instances_to_coco",
    "print_masks",
    "print_summary",
    "voc_to_coco",
    "yolo_to_coco",
]
