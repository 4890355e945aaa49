"""Turn an instance segmentation config into a detection config, for data without masks."""

from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from mirl_mm.config import listed
from mirl_mm.engine.derive_from_datasets import data_sets


def leave_out_masks(cfg: Config) -> None:
    """Make Mask R-CNN or Cascade Mask R-CNN a Faster or Cascade R-CNN; nothing is changed where there are no masks.

    The heads of masks, their loading and their metric go; boxes are learnt as before.
    """
    heads = cfg.model.get("roi_head") or {}
    if not heads.get("mask_head"):
        return
    heads.pop("mask_head")
    heads.pop("mask_roi_extractor", None)
    pipelines = [cfg.get(name) for name in ("train_pipeline", "test_pipeline", "tta_pipeline")]
    pipelines += [dataset.get("pipeline") for _, dataset in data_sets(cfg)]
    for pipeline in pipelines:
        _leave_out(pipeline)
    for metric in listed(cfg.get("val_evaluator")) + listed(cfg.get("test_evaluator")):
        if "segm" in (metric.get("metric") or ()):
            metric["metric"] = ["bbox"]
    print_log("the objects have no masks: the mask head is left out, boxes are learnt", logger="current")


def _leave_out(steps: Any) -> None:
    if isinstance(steps, dict):
        for key in ("with_mask", "by_mask"):
            if steps.get(key):
                steps[key] = False
        _leave_out(steps.get("transforms"))
    elif isinstance(steps, (list, tuple)):
        for step in steps:
            _leave_out(step)
