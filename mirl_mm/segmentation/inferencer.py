"""The class of every pixel."""

import os
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mirl_mm.datasets.seg_maps import SegMapRules
from mirl_mm.inference.base import Image
from mirl_mm.inference.commands import Command, Flag
from mirl_mm.inference.mmlab import TTA, MMLabInferencer, pixels_of
from mirl_mm.inference.output_files import checked_outputs, image_paths
from mirl_mm.outputs import OutputError, Outputs
from mirl_mm.registry import INFERENCERS
from mirl_mm.text import shortlist
from mirl_mm.visualization.palette import class_palette

from .draw_segmentation import draw_segmentation
from .predictions import Segmentation, Truth, find_truth, read_truth
from .tiles import Block, blended_tiles, check_tiles, resized_strips

_MASK_MAKER = "masks of SegmentInferencer"
_PAIR = {"type": int, "nargs": 2}
_FOLDER = {"type": Path, "metavar": "DIR"}


@dataclass(frozen=True)
class SegmentOptions:
    """What calls of :class:`SegmentInferencer` take besides.

    Attributes:
        tile: (H, W), for images of many megapixels. Each is cut, in its own pixels, into tiles of this size, which join
            without seams; see :func:`~mirl_mm.segmentation.tiles.blended_tiles`. The test pipeline, which resizes, is
            left out, and ``batch_size`` counts tiles. Scores are kept of overlaps only. Default: the image goes through
            the test pipeline and the config's ``test_cfg`` (whole or slide), as in evaluation.
        overlap: Of neighbouring tiles in pixels; default: a quarter of the tile's shorter side.
        mask_dir: Where segmentation maps go, ``<image's name>.png``, each as soon as it is there.
        truth: A folder of segmentation maps with the images' names, or a list with a map for each image, a file or an
            array of labels. Files have the values of the training's masks; arrays are labels, 255 where there is none.
            It is drawn beside the prediction, and compared.
        opacity: Of the classes' colours in pictures.
    """

    tile: Sequence[int] | None = None
    overlap: int | None = None
    mask_dir: str | Path | None = None
    truth: Truth | None = None
    opacity: float = 0.6

    def __post_init__(self) -> None:
        if not 0 <= self.opacity <= 1:
            raise ValueError(f"opacity must lie in 0..1, got {self.opacity}")
        if self.tile is not None:
            check_tiles(self.tile, self.overlap)
        elif self.overlap is not None:
            raise ValueError("overlap is that of tiles: give tile=(H, W), too")


class SegmentCommand(Command):
    """Labels pixels."""

    flags = (
        Flag("--tile", "cut images, in their own pixels, into such tiles", None, {**_PAIR, "metavar": ("H", "W")}),
        Flag("--overlap", "of tiles, in pixels (default: a quarter of a tile)", None, {"type": int}),
        Flag(
            "--masks", "write segmentation maps into this folder", None, {**_FOLDER, "dest": "mask_dir"}, path="folder"
        ),
        Flag("--truth", "true segmentation maps with the images' names", None, {"metavar": "DIR"}),
        Flag("--opacity", "of the classes' colours, 0..1", 0.6, {"type": float}),
        TTA,
    )

    def line(self, item: dict) -> str:
        """The largest classes, and the mean IoU if it is known."""
        named = [f"{name} {share:.1%}" for name, share in zip(item["names"], item["shares"], strict=True)]
        score = f"; mean IoU {item['mean_iou']:.2f}" if item.get("mean_iou") is not None else ""
        return shortlist(named) + score

    def notes(self, infer: Any, predictions: Sequence[dict], args: Namespace) -> list[str]:
        """What values in files of masks mean."""
        return [f"masks in {args.mask_dir}: {infer.rules}"] if args.mask_dir else []


@INFERENCERS.register_module()
class SegmentInferencer(MMLabInferencer):
    """Each pixel's class from a checkpoint of a segmentor. Needs mmseg: ``pip install 'mirl_mm[seg]'``.

    Calls take what :class:`~mirl_mm.inference.base.ImageInferencer` says, and the fields of :class:`SegmentOptions`.

    Pictures are one for each image, ``<image's name>.png``.

    ``predictions`` are dicts of ``img_path`` (None for an array), ``mask`` ((H, W) uint8, indices of classes, of
    the original image's size), ``labels`` ((K,) int64, the classes that are there, largest area first), ``names``
    (list), ``colours`` ((K, 3) uint8) and ``shares`` ((K,) float64, of the area); ``mask_path`` with ``mask_dir``;
    ``iou`` (by label) and ``mean_iou`` of this image with ``truth``. ``plain`` ones have lists, and no mask. With
    ``return_datasamples`` they are mmseg's ``SegDataSample`` with ``pred_sem_seg``.

    Files of masks have the values of the training data's masks: where these count classes from 1
    (``reduce_zero_label``), a file's value is the label + 1.

    Args:
        *args: As :class:`~mirl_mm.inference.base.ImageInferencer` has them.
        classes: Names of the classes in the order of their labels, in place of the checkpoint's.
        palette: An RGB colour for each class, in place of the checkpoint's.
        **kwargs: Likewise, by name; ``tta`` as :class:`~mirl_mm.inference.mmlab.MMLabInferencer`.

    Raises:
        ImportError: Without mmseg and mmcv's ops.
        ValueError: For a model that is no segmentor of mmseg's, a number of names or colours that isn't that of its
            classes, or ``tta`` with a config that has none; and what
            :class:`~mirl_mm.inference.base.ImageInferencer` raises.
    """

    Options = SegmentOptions
    command = SegmentCommand
    models, lack, configs = "segmentors", "segments nothing", "configs/seg"
    default_scope = "mmseg"

    def __init__(
        self,
        *args: Any,
        classes: Sequence[str] | None = None,
        palette: Sequence[Sequence[int]] | None = None,
        **kwargs: Any,
    ) -> None:
        import mirl_mm.segmentation.mmseg_parts  # noqa: F401  # registers, and says what is missing

        super().__init__(*args, **kwargs)
        number = int(self.model.num_classes)
        self.classes = self.class_names(number, classes)
        if palette is not None and len(palette) != number:
            raise ValueError(f"{len(palette)} colours for a model of {number} classes: give one for each, in order")
        known = self.meta.get("dataset_meta", {})
        self.palette = class_palette(number, palette or known.get("palette"))
        loader = self.cfg.get("test_dataloader") or self.cfg.get("val_dataloader") or {}
        dataset = loader.get("dataset", {})
        self.rules = SegMapRules(
            number,
            bool(known.get("reduce_zero_label", dataset.get("reduce_zero_label", False))),
            dataset.get("ignore_index", 255),
        )

    @classmethod
    def base_model(cls) -> type:
        """Segmentors of mmseg."""
        from mmseg.models.segmentors import EncoderDecoder

        return EncoderDecoder

    def settle(self, options: SegmentOptions, batch_size: int) -> tuple[SegmentOptions, int]:
        """Tiles with their overlap, of one image at a time; refuses them together with test-time augmentation."""
        if options.tile is None:
            return options, batch_size
        if self.tta:
            raise ValueError("tiles and test-time augmentation don't go together: leave out tile or tta")
        self._tiles_at_once = batch_size
        tile, overlap = check_tiles(options.tile, options.overlap)
        return replace(options, tile=tile, overlap=overlap), 1

    def own_folders(self, options: SegmentOptions) -> Sequence[str | Path]:
        """That of the masks."""
        return [options.mask_dir] if options.mask_dir else []

    def check_outputs(self, images: Sequence[Image], out_dir: str | Path | None, options: SegmentOptions) -> None:
        """As all inferencers, also for masks, which must have a folder of their own."""
        super().check_outputs(images, out_dir, options)
        if options.mask_dir is not None:
            self._mask_outputs(images, options)
            if out_dir is not None and os.path.realpath(out_dir) == os.path.realpath(options.mask_dir):
                raise OutputError(
                    f"'{options.mask_dir}' is for pictures and for masks, which have the same names: give two"
                )

    def _mask_outputs(self, images: Sequence[Image], options: SegmentOptions) -> Outputs:
        return checked_outputs(_MASK_MAKER, image_paths(options.mask_dir or "", images), images)

    def preprocess(self, images: list[Image], batch_size: int, options: SegmentOptions) -> Iterator[dict]:
        """Batches of images, through the test pipeline or as they are, with paths of their masks and true labels."""
        truths = [None] * len(images) if options.truth is None else find_truth(images, options.truth)
        paths: list[str | None] = [None] * len(images)
        if options.mask_dir is not None:
            self._mask_files = self._mask_outputs(images, options)
            paths = [str(path) for path in self._mask_files.sources]

        def run(index: int) -> dict:
            data = self.pipeline(images[index]) if options.tile is None else self._untouched(images[index])
            return {**data, "truth": truths[index], "mask_path": paths[index]}

        yield from self.batches(run, images, batch_size)

    @torch.inference_mode()
    def forward(self, inputs: dict, options: SegmentOptions) -> list[Segmentation]:
        """What is in each image; files of masks are written."""
        truths, paths = inputs.pop("truth"), inputs.pop("mask_path")
        samples = inputs["data_samples"]
        if options.tile is not None:
            masks = [self._in_tiles(image, options) for image in inputs["inputs"]]
        elif self.augmented is not None:
            samples = [versions[0] for versions in zip(*samples, strict=True)]
            masks = [sample.pred_sem_seg.data.squeeze().byte() for sample in self.augmented.test_step(inputs)]
        else:
            masks = list(self._masks(inputs))
        return [
            self._found(mask.cpu().numpy(), sample.get("img_path"), path, true)
            for mask, sample, path, true in zip(masks, samples, paths, truths, strict=True)
        ]

    def as_dict(self, found: Segmentation, plain: bool, options: SegmentOptions) -> dict:
        """The classes; unless ``plain``, the mask, too."""
        return found.as_dict(plain)

    def as_sample(self, found: Segmentation) -> Any:
        """A data sample of mmseg's."""
        from mmengine.structures import PixelData
        from mmseg.structures import SegDataSample

        sample = SegDataSample(metainfo={"img_path": found.img_path})
        sample.pred_sem_seg = PixelData(data=torch.from_numpy(found.mask)[None].long())
        return sample

    def picture(
        self, images: Sequence[Image], found: Sequence[Segmentation], first: int, options: SegmentOptions
    ) -> np.ndarray:
        """The classes in their image, beside the ground truth if it is known."""
        (image,), (each,) = images, found
        title = Path(each.img_path or f"image {first}").name
        drawn = (each.mask, self.classes, self.palette, each.truth, each.iou)
        return draw_segmentation(pixels_of(image), *drawn, options.opacity, title)

    def _in_tiles(self, image: Tensor, options: Any) -> Tensor:
        blocks = blended_tiles(self._score, image, options.tile, options.overlap, self._tiles_at_once)
        return self._join(blocks, image.shape[-2:])

    def _untouched(self, image: Image) -> dict:
        """An image in its own pixels, as a pipeline packs it."""
        from mmseg.datasets.transforms import PackSegInputs

        return PackSegInputs()(self.loaded(image))

    def _score(self, images: Tensor) -> Tensor:
        """``(N, 3, h, w)`` uint8 BGR -> scores ``(N, C, h, w)``."""
        from mmseg.structures import SegDataSample

        height, width = images.shape[-2:]
        meta = {"ori_shape": (height, width), "img_shape": (height, width)}
        data = {"inputs": list(images), "data_samples": [SegDataSample(metainfo=meta) for _ in images]}
        data = self.model.data_preprocessor(data, False)
        scores = self.model.encode_decode(data["inputs"], [sample.metainfo for sample in data["data_samples"]])
        return scores[..., :height, :width]  # the data preprocessor pads below and at the right

    def _masks(self, inputs: dict) -> Iterator[Tensor]:
        """As the model's own ``predict``, without scores of the original image's size."""
        pairs = zip(inputs["inputs"], inputs["data_samples"], strict=True)
        for _, group in groupby(pairs, lambda pair: pair[0].shape):  # mmseg's data preprocessor wants one size
            images, samples = map(list, zip(*group, strict=True))
            data = self.model.data_preprocessor({"inputs": images, "data_samples": samples}, False)
            scores = self.model.inference(data["inputs"], [sample.metainfo for sample in data["data_samples"]])
            for each, image, sample in zip(scores, images, samples, strict=True):
                each = each[:, : image.shape[-2], : image.shape[-1]].float()
                size = tuple(sample.ori_shape[:2])
                yield self._join(resized_strips(each, size, self.model.align_corners), size)

    def _join(self, blocks: Iterator[Block], size: Sequence[int]) -> Tensor:
        """``(H, W)`` uint8 labels; a block's scores are gone when the next one's are made."""
        mask = torch.empty(tuple(size), dtype=torch.uint8)
        for rows, columns, scores in blocks:
            if len(scores) > 1:
                mask[rows, columns] = scores.argmax(dim=0).byte().cpu()
            else:
                mask[rows, columns] = (scores[0].sigmoid() > self.model.decode_head.threshold).byte().cpu()
        return mask

    def _found(
        self, mask: np.ndarray, img_path: str | None, mask_path: str | None, truth: str | np.ndarray | None
    ) -> Segmentation:
        labels = None if truth is None else read_truth(truth, self.rules, mask.shape, img_path or "an array")
        first = int(self.rules.reduce_zero_label)
        found = Segmentation.of(mask, self.classes, self.palette, first, img_path, mask_path, labels)
        if mask_path is not None:
            self._mask_files.put(Path(mask_path), found.png)
        return found
