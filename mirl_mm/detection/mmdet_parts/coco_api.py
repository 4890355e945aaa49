"""mmdet's view of an annotation file's content."""

import contextlib
import io
from collections.abc import Mapping
from typing import Any

from mmdet.datasets.api_wrappers import COCO


def coco_api(content: Mapping[str, Any]) -> COCO:
    """What mmdet and pycocotools ask about annotations, of a content in COCO's form rather than a file."""
    coco = COCO()
    coco.dataset = dict(content)
    with contextlib.redirect_stdout(io.StringIO()):  # which only says that it does
        coco.createIndex()
    coco.img_ann_map, coco.cat_img_map = coco.imgToAnns, coco.catToImgs
    return coco
