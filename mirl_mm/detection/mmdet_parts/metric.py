"""COCO's twelve numbers under their names."""

import contextlib
import io
from collections.abc import Sequence
from functools import partial
from typing import Any

from mmdet.evaluation import CocoMetric as MMDetCocoMetric
from mmengine.fileio import get_local_path
from mmengine.logging import print_log

from mirl_mm.datasets.coco_reader import read_coco
from mirl_mm.registry import METRICS

from ..coco_class_checks import check_annotations
from .coco_api import coco_api

#: mmdet's name of each of COCO's twelve numbers, which presumes 100, 300 and 1000 detections.
_ITEMS = (
    *("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l"),
    *("AR@100", "AR@300", "AR@1000", "AR_s@1000", "AR_m@1000", "AR_l@1000"),
)


@METRICS.register_module()
class CocoMetric(MMDetCocoMetric):
    """mmdet's ``CocoMetric`` (same arguments), reporting all of COCO's numbers for boxes and masks.

    mmdet reports the six precisions, and counts recalls at 100, 300 and 1000 detections, under these names whatever
    ``proposal_nums`` is. COCO's recalls are at 1, 10 and 100. Detectors without a single detection get 0 rather than no
    metric at all. What pycocotools prints besides its numbers is left out, and the numbers are in the log file,
    too. Labels are taken in the order of the data set's classes, and the annotation file is read and checked, as in our
    ``CocoDataset``.

    Args:
        proposal_nums: Numbers of detections per image at which recalls are taken; precisions are at the last.
        **kwargs: mmdet's: ``metric`` (``"bbox"``, ``"segm"``), ``ann_file`` (tools/train.py and tools/test.py fill in
            that of the data set), ``classwise`` for a table of each class's precision, ``outfile_prefix`` for the
            predictions in COCO's format.
    """

    def __init__(self, proposal_nums: Sequence[int] = (1, 10, 100), **kwargs: Any) -> None:
        kwargs.setdefault("metric_items", list(_ITEMS))
        ann_file = kwargs.pop("ann_file", None)
        super().__init__(proposal_nums=proposal_nums, **kwargs)
        self._content: dict[str, Any] | None = None
        if ann_file is not None:
            self._ann_file = ann_file
            with get_local_path(ann_file, backend_args=self.backend_args) as path:
                self._content = read_coco(path).content
            self._coco_api = coco_api(self._content)
        counts = list(self.proposal_nums)
        recalls = [f"AR@{count}" for count in counts] + [f"AR_{size}@{counts[-1]}" for size in "sml"]
        self._names = dict(zip(_ITEMS, [*_ITEMS[:6], *recalls], strict=True))

    @property
    def dataset_meta(self) -> dict | None:
        """The data set's ``metainfo``, which comes before the first step; the annotation file must fit it.

        Raises:
            ValueError: If it doesn't, as :func:`mirl_mm.detection.coco_class_checks.check_annotations` says.
        """
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, meta: dict) -> None:
        self._dataset_meta = meta
        if self._content is not None and "classes" in meta:
            masks = "segm" in self.metrics
            check = partial(check_annotations, masks=masks, test_mode=True, every_mask=masks)
            kept, _ = check(self._content, meta["classes"], self._ann_file)
            self._coco_api = coco_api({**self._content, "categories": kept})

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the metrics."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            metrics = super().compute_metrics(results)
        numbers = [line for line in printed.getvalue().splitlines() if line.startswith(" Average")]
        if numbers:
            print_log("\n".join([f"COCO's numbers, {' and '.join(self.metrics)}:", *numbers]), logger="current")
        if self.format_only:
            return metrics
        renamed: dict[str, float] = {}
        for metric in self.metrics:
            if metric not in ("bbox", "segm"):
                continue
            for item in self.metric_items or ():
                renamed[f"{metric}_{self._names[item]}"] = metrics.pop(f"{metric}_{item}", 0.0)
        return {**renamed, **metrics}
