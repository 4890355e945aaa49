"""Mean intersection over union, exact, and class by class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from mmseg.evaluation import IoUMetric as MMSegIoUMetric
from torch import Tensor

from mirl_mm.outputs import Outputs, source_of
from mirl_mm.registry import METRICS
from mirl_mm.visualization.png import encode_png


@METRICS.register_module()
class IoUMetric(MMSegIoUMetric):
    """mmseg's ``IoUMetric`` with exact counts: ``mIoU``, ``mAcc`` (mean recall of classes) and ``aAcc``, in percent.

    Intersections and unions are those of the whole set. A class that neither labels nor predictions have is left out of
    the means; one that is predicted only counts with 0. mmseg sums pixels in float32, which is exact up to 16.7 million
    of them, one class in fifty of ADE20K's images; here they are integers.

    Args:
        per_class: Also ``IoU_<class>`` and ``Acc_<class>`` for each class, and a table in the log.
        output_dir: Folder for the predictions as segmentation maps, ``<image's name>.png``, with the values that the
            data set's masks have.
        **kwargs: mmseg's: ``iou_metrics`` (``mIoU``, ``mDice``, ``mFscore``), ``ignore_index``, ``nan_to_num``,
            ``beta``, ``format_only``, ``prefix``, ``collect_device``.

    Raises:
        ValueError: If predictions are to be written, and two images have the same name.
        OutputError: If they would come to lie among images or labels, or replace another file.
    """

    def __init__(self, per_class: bool = False, output_dir: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.per_class = per_class
        self._folder = None if output_dir is None else Path(output_dir)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        self._written: dict[str, str] = {}

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count a batch's pixels, and write its predictions if they are wanted."""
        super().process(data_batch, data_samples)
        for sample in data_samples if self._folder is not None else ():
            self._write(sample["img_path"], sample)

    def _write(self, path: str, sample: dict) -> None:
        assert self._folder is not None
        name = Path(path).stem
        other = self._written.setdefault(name, path)
        if other != path:
            raise ValueError(
                f"images '{other}' and '{path}' have the same name, and so would their predictions: rename them"
            )
        target, inputs = self._folder / f"{name}.png", filter(None, [path, sample.get("seg_map_path")])
        output = Outputs(type(self).__name__, {target: source_of(path)}, inputs)
        labels = sample["pred_sem_seg"]["data"].squeeze(0).cpu().numpy() + int(sample.get("reduce_zero_label", False))
        output.put(target, encode_png(labels.astype(np.uint8)))

    @staticmethod
    def intersect_and_union(
        pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Count an image's pixels, of labels ``(H, W)``; as mmseg's, but in integers.

        Returns:
            Intersection, union, predicted and labelled pixels of each class, ``(num_classes,)`` int64 each.
        """
        counts = label != ignore_index
        predicted, labels = pred_label[counts].long(), label[counts].long()
        both = predicted[predicted == labels]
        hits, found, there = (x.bincount(minlength=num_classes).cpu() for x in (both, predicted, labels))
        return hits, found + there - hits, found, there

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the metrics of all images."""
        if self.format_only:
            return {}
        areas = [torch.stack(column).sum(0).double() for column in zip(*results, strict=True)]
        values = self.total_area_to_metrics(*areas, self.metrics, self.nan_to_num, self.beta)
        metrics = {"aAcc": 100 * float(values.pop("aAcc"))}
        metrics |= {f"m{name}": 100 * float(np.nanmean(each)) for name, each in values.items()}
        if self.per_class:
            classes = (self.dataset_meta or {})["classes"]
            for name, each in values.items():
                metrics |= {f"{name}_{title}": 100 * float(x) for title, x in zip(classes, each, strict=True)}
            print_log(_table(classes, values, areas[3].long().tolist()), logger="current")
        return metrics


def _table(classes: Sequence[str], values: dict[str, np.ndarray], pixels: Sequence[int]) -> str:
    """A line for each class, the worst first; a class that doesn't occur has no value and comes last."""
    width = max(len("class"), *map(len, classes))
    first = next(iter(values.values()))
    lines = [f"  {'class':<{width}}  {'pixels':>13}" + "".join(f"  {name:>9}" for name in values)]
    for label in np.argsort(first, kind="stable").tolist():  # NaN comes last
        numbers = "".join(
            "  " + (" " * 8 + "–" if np.isnan(x[label]) else f"{100 * x[label]:9.2f}") for x in values.values()
        )
        lines.append(f"  {classes[label]:<{width}}  {pixels[label]:>13,}{numbers}")
    return "\n".join(["each class, the worst first:", *lines])
