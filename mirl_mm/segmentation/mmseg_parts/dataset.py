"""Images with segmentation maps for segmentors: mmseg's data set, seeded by the sampler and strict about its files."""

import logging
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from mmengine.logging import print_log
from mmseg.datasets import ADE20KDataset as MMSegADE20KDataset

from mirl_mm.datasets.folder_labels import read_classes
from mirl_mm.datasets.randomness import SeededIndex, seeded_by
from mirl_mm.datasets.seg_maps import SegMapRules
from mirl_mm.datasets.text_files import read_lines
from mirl_mm.registry import DATASETS
from mirl_mm.visualization.palette import class_palette

from ..seg_map_checks import (
    check_classes,
    check_files,
    check_folders,
    check_seg_maps_exist,
    describe_left_out,
    list_images,
    look_at_seg_maps,
)


@DATASETS.register_module()
class ADE20KDataset(MMSegADE20KDataset):
    """mmseg's ``ADE20KDataset`` for any classes, which takes nothing wrong in silence.

    - Images, masks, their sizes and values must fit; see :mod:`mirl_mm.segmentation.seg_map_checks`. Of a large data
      set 500 masks are looked at before a training, the others when they are loaded.
    - Label i is the i-th of ``metainfo["classes"]``: masks have numbers, no names. (mmseg takes other classes than
      ADE20K's 150 for a subset of these, found by name.)
    - With :class:`~mirl_mm.datasets.EndlessSampler` or ``EpochSampler`` the augmentation of a sample depends on seed,
      epoch and sample only, not on the number of workers, and repeats when a run is resumed.

    Args:
        data_root: The data set's folder.
        data_prefix: ``img_path`` and ``seg_map_path``, folders of images and masks, absolute or relative to
            ``data_root``. To predict only, leave ``seg_map_path`` out.
        metainfo: ``classes``, names or a file with one on each line, in the working folder or ``data_root``; maybe
            ``palette``, an RGB colour for each. Default: ADE20K's.
        **kwargs: mmseg's: ``reduce_zero_label``, whether 0 means *no label* and the classes' values count from 1
            (default: they do); ``ignore_index``, the value in the files of pixels without label (255, as wherever
            labels are in use); ``img_suffix``, ``seg_map_suffix``, ``ann_file`` (a list of names without ending),
            ``pipeline``, ``test_mode`` and more.

    Raises:
        FileNotFoundError: If a folder, an image or a mask is missing.
        ValueError: If classes, palette, masks or images can't be used.
        CorruptImageError: If a file that is looked at can't be read.
    """

    def __init__(
        self,
        data_root: str = "",
        data_prefix: Mapping[str, str] | None = None,
        metainfo: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if metainfo and "classes" in metainfo:
            metainfo = {**metainfo, "classes": read_classes(metainfo["classes"], data_root)}
        super().__init__(data_root=data_root, data_prefix=dict(data_prefix or {}), metainfo=metainfo, **kwargs)

    @classmethod
    def preflight(
        cls,
        data_root: str = "",
        data_prefix: Mapping[str, str] | None = None,
        test_mode: bool = False,
        metainfo: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Check that the folders are there, and that there are classes to tell apart, before anything is built.

        Raises:
            FileNotFoundError: If they aren't.
            ValueError: If a training has no folder of masks, or there is but one class.
        """
        folders = data_prefix or {}
        masks = folders.get("seg_map_path")
        if masks is None and not test_mode:
            raise ValueError("data_prefix has no seg_map_path: name the folder of the masks in the data set's config")
        check_folders(data_root, folders.get("img_path", ""), masks)
        if masks is not None and metainfo and metainfo.get("classes"):
            check_classes(read_classes(metainfo["classes"], data_root))

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> None:
        """None: values of masks are numbers of the classes as they are."""

    @cached_property
    def rules(self) -> SegMapRules:
        """What the values of the masks mean."""
        return SegMapRules(len(self.metainfo["classes"]), self.reduce_zero_label, self.ignore_index)

    def load_data_list(self) -> list[dict]:
        """As mmseg's, after checks; endings count whatever their case, and linked folders are followed."""
        images, masks = self.data_prefix.get("img_path", ""), self.data_prefix.get("seg_map_path")
        self.preflight("", self.data_prefix, self.test_mode, self._metainfo)
        listed = bool(self.ann_file) and not os.path.isdir(self.ann_file)
        if listed:
            names = [(name, self.img_suffix) for name in read_lines(self.ann_file, "surrogateescape")]
        else:
            names = list_images(images, self.img_suffix)
        paths = [os.path.join(images, name + ending) for name, ending in names]
        check_files(paths, images, self.img_suffix)
        common = {"label_map": self.label_map, "reduce_zero_label": self.reduce_zero_label}
        data_list = [{"img_path": path, **common, "seg_fields": []} for path in paths]
        mask_paths = [] if masks is None else [os.path.join(masks, name + self.seg_map_suffix) for name, _ in names]
        warnings = []
        if masks is not None:
            check_seg_maps_exist(paths, mask_paths, masks)
            for info, path in zip(data_list, mask_paths, strict=True):
                info["seg_map_path"] = path
            warnings = [look_at_seg_maps(paths, mask_paths, self.rules)]
        if not listed:
            warnings += describe_left_out(paths, mask_paths, images, masks, self.seg_map_suffix)
        for warning in filter(None, warnings):
            print_log(warning, logger="current", level=logging.WARNING)
        return data_list

    def get_data_info(self, idx: int) -> dict:
        """As mmseg's, with ``seg_map_rules`` for :class:`~mirl_mm.segmentation.mmseg_parts.LoadAnnotations`."""
        return {**super().get_data_info(idx), "seg_map_rules": self.rules}

    def __getitem__(self, key: int | SeededIndex) -> Any:
        """A sample, by its index alone or with a sampler's seed."""
        with seeded_by(key) as index:
            return super().__getitem__(index)

    def _update_palette(self) -> list:
        """A colour for each class: those given, ADE20K's for as many classes, or ours.

        Raises:
            ValueError: If colours are given for another number of classes.
        """
        classes, palette = self._metainfo["classes"], self._metainfo.get("palette") or []
        if len(palette) == len(classes):
            return palette
        if palette != self.METAINFO["palette"]:
            raise ValueError(
                f"metainfo.palette has {len(palette)} colours for {len(classes)} classes: give one (red, green, blue) "
                "for each, in their order, or none"
            )
        return class_palette(len(classes)).tolist()
