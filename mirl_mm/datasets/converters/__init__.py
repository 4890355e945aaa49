"""Other annotation formats into COCO's."""

from .coco import AnnotationError, CocoBuilder, Problems
from .summary import print_summary
from .voc import voc_to_coco
from .yolo import yolo_to_coco

__all__ = ["AnnotationError", "CocoBuilder", "Problems", "print_summary", "voc_to_coco", "yolo_to_coco"]
