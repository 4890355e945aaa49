"""COCO's twelve numbers under their names."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

from mmdet.evaluation import CocoMetric as MMDetCocoMetric
from mmengine.logging import print_log

from mirl_mm.registry import METRICS

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
    too. Labels are taken in the order of the data set's classes, as in our ``CocoDataset``.

    Args:
        proposal_nums: Numbers of detections per image at which recalls are taken; precisions are at the last.
        **kwargs: mmdet's: ``metric`` (``"bbox"``, ``"segm"``), ``ann_file`` (tools/train.py and tools/test.py fill in
            that of the data set), ``classwise`` for a table of each class's precision, ``outfile_prefix`` for the
            predictions in COCO's format.
    """

    def __init__(self, proposal_nums: Sequence[int] = (1, 10, 100), **kwargs: Any) -> None:
        kwargs.setdefault("metric_items", list(_ITEMS))
        super().__init__(proposal_nums=proposal_nums, **kwargs)
        counts = list(self.proposal_nums)
        recalls = [f"AR@{count}" for count in counts] + [f"AR_{size}@{counts[-1]}" for size in "sml"]
        self._names = dict(zip(_ITEMS, [*_ITEMS[:6], *recalls], strict=True))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the metrics."""
        if self._coco_api is not None and self.cat_ids is None:
            self._order_categories()
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

    def _order_categories(self) -> None:
        """Put the file's categories in the order of the classes, in which the ids of the labels are looked up."""
        place = {name: i for i, name in enumerate((self.dataset_meta or {})["classes"])}
        categories = self._coco_api.dataset["categories"]
        categories.sort(key=lambda category: place.get(category["name"], len(place)))
