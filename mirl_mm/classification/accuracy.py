"""Top-k accuracy of a classifier, of the whole set and class by class, and its predictions in a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mirl_mm.registry import METRICS
from mirl_mm.text import counted

from .predictions_file import check_predictions_file, write_predictions

#: Rows of the printed table, the worst classes.
_SHOWN = 25


@METRICS.register_module()
class Accuracy(BaseMetric):
    """Share of images whose label is among the k best-scored classes, in percent.

    Reads ``pred_score`` and ``gt_label`` of :class:`~mirl_mm.ImageClassifier`'s predictions. Metrics are
    ``accuracy/top1``, ``accuracy/top5`` and so on. A k above the number of classes is left out (it would be 100).

    Args:
        topk: The k's.
        per_class: Also ``accuracy/mean_class``, the mean over the classes (that have images) of top-1, and a table of
            class, images and top-1 in the log, the worst class first.
        out_file: A ``.csv`` or ``.json`` file for the predictions: of every image its path, label and the best classes
            with their scores, as many as the largest k. Where the average of the weights is evaluated beside the
            weights themselves, its file has ``_ema`` before the ending.
        **kwargs: mmengine's: ``collect_device``, ``prefix``, ``collect_dir``.

    Raises:
        ValueError: For a k below 1, a file of another ending, a sample without label, scores that aren't finite, or if
            every k exceeds the number of classes.
    """

    default_prefix = "accuracy"

    def __init__(
        self,
        topk: Sequence[int] | int = (1, 5),
        per_class: bool = False,
        out_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.topk = (topk,) if isinstance(topk, int) else tuple(topk)
        if not self.topk or not all(isinstance(k, int) and k >= 1 for k in self.topk):
            raise ValueError(f"Accuracy: topk must be integers from 1 on, got {topk!r}")
        self.per_class = per_class
        if out_file is not None:
            check_predictions_file(out_file)
        self.out_file = out_file

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Collect a batch: of each image the label, the best classes and their scores, and the path if it is needed."""
        scores = torch.stack([sample["pred_score"] for sample in data_samples])
        self._check(data_samples, scores)
        best = scores.topk(min(max(self.topk), scores.shape[1]), dim=1)
        values, classes = best.values.tolist(), best.indices.tolist()
        for sample, value, order in zip(data_samples, values, classes, strict=True):
            result = {"label": int(sample["gt_label"]), "classes": order, "scores": value, "num": scores.shape[1]}
            if self.out_file is not None:
                result["img_path"] = sample.get("img_path", "")
            self.results.append(result)

    @staticmethod
    def _check(data_samples: Sequence[dict], scores: torch.Tensor) -> None:
        unlabelled = next((sample for sample in data_samples if sample.get("gt_label") is None), None)
        if unlabelled is not None:
            raise ValueError(
                f"Accuracy needs labels, and {unlabelled.get('img_path')} has none: set labelled=True in the data "
                "set's config, with one sub-folder per class"
            )
        finite = scores.isfinite().all(dim=1).tolist()
        if not all(finite):
            raise ValueError(
                f"the scores of {data_samples[finite.index(False)].get('img_path')} are not finite: are the "
                "checkpoint's weights?"
            )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Count the hits of all images."""
        labels = torch.tensor([result["label"] for result in results])
        order = torch.tensor([result["classes"] for result in results])
        num_classes = results[0]["num"]
        hits = order == labels[:, None]
        metrics = {f"top{k}": 100 * hits[:, :k].any(dim=1).double().mean().item() for k in self._usable(num_classes)}
        if self.per_class:
            images = labels.bincount(minlength=num_classes)
            right = labels[hits[:, 0]].bincount(minlength=num_classes)
            accuracy = 100 * right / images  # NaN without images
            metrics["mean_class"] = accuracy.nanmean(dtype=torch.float64).item()
            print_log(self._table(images, accuracy), logger="current")
        if self.out_file is not None:
            path = self._path(self.out_file)
            write_predictions(path, results, self._names())
            print_log(f"predictions of {counted(len(results), 'image')} are in {path}", logger="current")
        return metrics

    def _usable(self, num_classes: int) -> list[int]:
        usable = [k for k in self.topk if k <= num_classes]
        if not usable:
            raise ValueError(
                f"Accuracy: every k of topk={self.topk} exceeds the model's {num_classes} classes; take topk=(1,)"
            )
        return usable

    def _names(self) -> Sequence[str] | None:
        return (self.dataset_meta or {}).get("classes")

    def _path(self, out_file: str) -> Path:
        """The file, with what the prefix has before the default one: that tells evaluators of one run apart."""
        path = Path(out_file)
        extra = str(self.prefix).removesuffix("accuracy").strip("/").replace("/", "_")
        return path.with_stem(f"{path.stem}_{extra}") if extra else path

    def _table(self, images: torch.Tensor, accuracy: torch.Tensor) -> str:
        """Class, images, top-1; the worst first, classes without images not at all."""
        present = images.nonzero().flatten()
        order = present[accuracy[present].argsort(stable=True)].tolist()
        names = self._names()
        shown = order[:_SHOWN] if len(order) > _SHOWN + 1 else order
        titles = [str(names[label]) if names is not None and label < len(names) else str(label) for label in shown]
        width = max(len("class"), *map(len, titles))
        lines = [f"{self.prefix} of each class, the worst first:", f"  {'class':<{width}}  images   top-1"]
        lines += [
            f"  {title:<{width}}  {images[label]:>6d}  {accuracy[label]:>6.2f}"
            for title, label in zip(titles, shown, strict=True)
        ]
        if len(shown) < len(order):
            better = accuracy[order[_SHOWN:]]
            lines.append(f"  and {len(better)} more, from {better.min():.2f} to {better.max():.2f}")
        missing = len(images) - len(present)
        if missing:
            lines.append(f"  classes without images: {missing}")
        return "\n".join(lines)
