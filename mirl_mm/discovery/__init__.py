"""Data sets found in a folder: where images, labels and splits are, and what the classes are called.

A folder is only read; lists and converted annotations go where the request says.
"""

from collections.abc import Callable, Mapping

from mirl_mm.registry import OBJECT_FINDERS

from .class_folders import class_folders_of, find_class_folders, find_images
from .coco import Annotated, class_names, found_in_coco
from .found import Found, NothingFoundError, Request, Split, nothing_found
from .seg_map_values import class_file, read_names
from .seg_maps import find_masks, has_pairs

__all__ = [
    "FINDERS",
    "Annotated",
    "Found",
    "NothingFoundError",
    "Request",
    "Split",
    "class_file",
    "class_folders_of",
    "class_names",
    "find_objects",
    "found_in_coco",
    "nothing_found",
    "read_names",
]


def find_objects(request: Request) -> Found:
    """Objects with boxes, or boxes and masks: in COCO's format, else in one that a converter knows.

    Raises:
        NothingFoundError: If there are none.
    """
    OBJECT_FINDERS.import_from_location()
    layouts: list[str] = []
    tried: list[str] = []
    for find in OBJECT_FINDERS.module_dict.values():
        try:
            return find(request)
        except NothingFoundError as error:
            layouts += error.layouts
            tried += error.tried
    if has_pairs(request.root):
        tried.append("It has images and masks: a segmentor learns from these (configs/seg), a detector needs boxes.")
    raise nothing_found(request.root, "annotated objects", layouts, tried)


#: By what a task learns from.
FINDERS: Mapping[str, Callable[[Request], Found]] = {
    "images": find_images,
    "classes": find_class_folders,
    "objects": find_objects,
    "masks": find_masks,
}
