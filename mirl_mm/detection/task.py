"""What of a detector's config follows from its backbone and its data."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mirl_mm.config import listed
from mirl_mm.datasets.coco_reader import read_annotations
from mirl_mm.discovery import Found, class_names
from mirl_mm.engine.derive_from_datasets import data_sets
from mirl_mm.engine.tasks import Setting, Task, each, given
from mirl_mm.models.layers import Size
from mirl_mm.models.necks import SimpleFPN
from mirl_mm.registry import TASKS

from .boxes_only import leave_out_masks


@TASKS.register_module()
class Detection(Task):
    """Objects with boxes, maybe with masks, in COCO's format."""

    learns_from = "objects"
    data_sets = ("CocoDataset",)
    class_agnostic = ("rpn_head",)

    def settings(self, model: Mapping, neck: Any, channels: int, stride: Size) -> Iterator[Setting]:
        """Channels, and strides of the levels, of a :class:`~mirl_mm.SimpleFPN` and what follows it.

        By strides, anchors and regions are positioned: others would train, at the wrong positions.
        """
        if neck is SimpleFPN:
            yield from given("model.neck", model["neck"], in_channels=channels)
            yield from _heads(model, _strides(stride, model["neck"]))

    def fit_metrics(self, cfg: Config, loader: str) -> None:
        """A ``CocoMetric`` without ``ann_file`` gets that of its data set."""
        _, dataset = next(data_sets(cfg, [loader]), (None, None))
        if dataset and dataset.get("ann_file"):
            for metric in _coco_metrics(cfg, loader):
                if metric.get("ann_file") is None:
                    metric["ann_file"] = os.path.join(dataset.get("data_root") or "", dataset["ann_file"])

    def forget_folder(self, cfg: Config, loader: str) -> None:
        """A ``CocoMetric`` loses an annotation file in the old folder."""
        roots = [dataset.get("data_root") for _, dataset in data_sets(cfg, [loader])]
        for metric in _coco_metrics(cfg, loader):
            if any(root and str(metric.get("ann_file") or "").startswith(root) for root in roots):
                metric["ann_file"] = None

    def content(self, root: Path, dataset: Mapping) -> Found:
        """Classes of the annotation file, and whether objects have masks."""
        content = read_annotations(str(root / dataset["ann_file"]))
        annotations = content.get("annotations") or []
        masks = not annotations or any(one.get("segmentation") for one in annotations)
        return Found(self.learns_from, {}, class_names(content), masks)

    def keeps(self, named: Sequence[str], found: Sequence[str]) -> bool:
        """A detector may learn some of the classes."""
        return bool(named) and set(named) <= set(found)

    def adjust(self, cfg: Config, found: Found) -> None:
        """Without masks, a detector of masks becomes one of boxes."""
        if not found.masks:
            leave_out_masks(cfg)


def _heads(model: Any, strides: list[int | float] | None) -> Iterator[Setting]:
    channels = model["neck"].get("out_channels", 256)
    for name in ("rpn_head", "bbox_head"):
        for path, head in each(f"model.{name}", model.get(name)):
            yield from given(path, head, in_channels=channels)
            if strides is not None:
                yield from given(path, head, strides=strides)
                yield from given(f"{path}.anchor_generator", head.get("anchor_generator"), strides=strides)
    regions = model.get("roi_head") or {}
    for name in ("bbox_roi_extractor", "mask_roi_extractor"):
        for path, part in each(f"model.roi_head.{name}", regions.get(name)):
            yield from given(path, part, out_channels=channels)
            if strides is not None:  # regions may come from the first levels only
                yield from given(path, part, featmap_strides=strides[: len(part.get("featmap_strides", ()))])
    for name in ("bbox_head", "mask_head"):
        for path, part in each(f"model.roi_head.{name}", regions.get(name)):
            yield from given(path, part, in_channels=channels)


def _strides(stride: Size, neck: Mapping) -> list[int | float] | None:
    """The stride of each level in pixels; None for patches that are not square."""
    rows, columns = stride
    if rows != columns:
        return None
    strides = [rows / scale for scale in neck.get("scales", (4, 2, 1, 0.5))]
    while len(strides) < neck.get("num_outs", 5):
        strides.append(2 * strides[-1])
    return [int(stride) if stride == int(stride) else stride for stride in strides]


def _coco_metrics(cfg: Config, loader: str) -> Iterator[Any]:
    for metric in listed(cfg.get(loader.replace("_dataloader", "_evaluator"))):
        if str(metric.get("type")).rpartition(".")[2] == "CocoMetric":
            yield metric
