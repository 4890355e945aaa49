"""COCO-format data for detectors: mmdet's data set, seeded by the sampler and strict about its file."""

import logging
from collections.abc import Mapping
from typing import Any

from mmdet.datasets import CocoDataset as MMDetCocoDataset
from mmdet.datasets.api_wrappers import COCO
from mmengine.logging import print_log

from mirl_mm.datasets.coco_reader import read_coco
from mirl_mm.datasets.randomness import SeededIndex, seeded_by
from mirl_mm.registry import DATASETS

from ..coco_class_checks import check_annotations, check_images, check_paths
from .coco_api import coco_api


@DATASETS.register_module()
class CocoDataset(MMDetCocoDataset):
    """mmdet's ``CocoDataset`` (same arguments) that takes nothing wrong in silence.

    - The annotation file must fit ``metainfo["classes"]`` (default: COCO's 80), and its images must be there; see
      :func:`mirl_mm.detection.coco_class_checks.check_annotations`.
    - Label i is the i-th of these classes, in whatever order the file lists its categories (mmdet numbers the labels in
      the file's order, also where the classes are in another one).
    - With :class:`~mirl_mm.datasets.EndlessSampler` or ``EpochSampler`` the augmentation of a sample depends on seed,
      epoch and sample only, not on the number of workers, and repeats when a run is resumed.

    Raises:
        FileNotFoundError: If the annotation file, the folder or its images are missing.
        ValueError: If the file's content can't be used.
    """

    @classmethod
    def preflight(
        cls, data_root: str = "", ann_file: str = "", data_prefix: Mapping[str, str] | None = None, **_: Any
    ) -> None:
        """Check that file and folder are there, before anything is built.

        Raises:
            FileNotFoundError: If they aren't.
        """
        check_paths(data_root, ann_file, (data_prefix or {}).get("img", ""))

    def COCOAPI(self, path: str) -> COCO:
        """Read the file for mmdet, which calls this like the class it is there."""
        content, notes = read_coco(path)
        masks = any(getattr(step, "with_mask", False) for step in self.pipeline.transforms)
        classes = self.metainfo["classes"]
        kept, warnings = check_annotations(content, classes, path, masks=masks, test_mode=self.test_mode)
        check_images(content["images"], self.data_prefix.get("img", ""), path)
        for warning in (*notes, *warnings):
            print_log(warning, logger="current", level=logging.WARNING)
        return coco_api({**content, "categories": kept})

    def filter_data(self) -> list[dict]:
        """As mmdet's; something must be left.

        Raises:
            ValueError: If no image passes ``filter_cfg``.
        """
        left = super().filter_data()
        if not left:
            raise ValueError(
                f"none of the {len(self.data_list)} images of '{self.ann_file}' passes filter_cfg="
                f"{dict(self.filter_cfg or {})}: lower min_size, or correct the file"
            )
        return left

    def __getitem__(self, key: int | SeededIndex) -> Any:
        """A sample, by its index alone or with a sampler's seed."""
        with seeded_by(key) as index:
            return super().__getitem__(index)
