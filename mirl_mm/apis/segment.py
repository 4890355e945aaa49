"""The class of every pixel."""

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from torch import Tensor

from mirl_mm.datasets.masks import MaskRules
from mirl_mm.outputs import OutputError
from mirl_mm.registry import INFERENCERS
from mirl_mm.visualization.palette import class_palette
from mirl_mm.visualization.segmentation import draw_segmentation

from .inputs import Images
from .mmlab import MMLabInferencer, pixels_of
from .pictures import image_paths, outputs_of_images
from .segmentations import Segmentation, Truth, find_truth, read_truth
from .tiles import Block, Size, blended_tiles, check_tiles, resized_strips

_MASK_MAKER = "masks of SegmentInferencer"


@INFERENCERS.register_module()
class SegmentInferencer(MMLabInferencer):
    """Each pixel's class from a checkpoint of a segmentor. Needs mmseg: ``pip install 'mirl_mm[seg]'``.

    Calls take, besides what :class:`ImageInferencer` says:

    - ``tile`` ((H, W)): for images of many megapixels. Each is cut, in its own pixels, into tiles of this size, which
      join without seams; see :func:`~mirl_mm.apis.tiles.blended_tiles`. The test pipeline, which resizes, is left out,
      and ``batch_size`` counts tiles. Scores are kept of overlaps only. Default: the image goes through the test
      pipeline and the config's ``test_cfg`` (whole or slide), as in evaluation.
    - ``overlap`` (int): of neighbouring tiles in pixels; by default a quarter of the tile's shorter side.
    - ``mask_dir`` (path): where index masks go, ``<image's name>.png``, each as soon as it is there.
    - ``truth``: a folder of index masks with the images' names, or a list with a mask for each image, a file or an
      array of labels. Files have the values of the training's masks; arrays are labels, 255 where there is none. It is
      drawn beside the prediction, and compared.
    - ``opacity`` (float): of the classes' colours in pictures, 0.6.

    Pictures are one for each image, ``<image's name>.png``.

    ``predictions`` are dicts of ``img_path`` (None for an array), ``mask`` ((H, W) uint8, numbers of classes from 0, of
    the original image's size), ``labels`` ((K,) int64, the classes that are there, largest area first), ``names``
    (list), ``colours`` ((K, 3) uint8) and ``shares`` ((K,) float64, of the area); ``mask_path`` with ``mask_dir``;
    ``iou`` (by label) and ``mean_iou`` of this image with ``truth``. ``plain`` ones have lists, and no mask. With
    ``return_datasamples`` they are mmseg's ``SegDataSample`` with ``pred_sem_seg``.

    Files of masks have the values of the training data's masks: where these count classes from 1
    (``reduce_zero_label``), a file's value is the label + 1.

    Args:
        model: See :class:`ImageInferencer`.
        weights: See :class:`ImageInferencer`.
        device: See :class:`ImageInferencer`.
        show_progress: See :class:`ImageInferencer`.
        classes: Names of the classes in the order of their labels, in place of the checkpoint's.
        palette: An RGB colour for each class, in place of the checkpoint's.
        tta: See :class:`~mirl_mm.apis.mmlab.MMLabInferencer`.

    Raises:
        ImportError: Without mmseg and mmcv's ops.
        ValueError: For a model that is no segmentor of mmseg's, a number of names or colours that isn't that of its
            classes, or ``tta`` with a config that has none; and what :class:`ImageInferencer` raises.
    """

    default_scope = "mmseg"
    preprocess_kwargs = {"in_tiles", "mask_dir", "truth"}
    forward_kwargs = {"tile", "overlap", "tiles_at_once"}
    visualize_kwargs = MMLabInferencer.visualize_kwargs | {"opacity"}

    def __init__(
        self,
        model: str | Path | Config | ConfigDict | dict | None = None,
        weights: str | Path | None = None,
        device: str | None = None,
        show_progress: bool = False,
        *,
        classes: Sequence[str] | None = None,
        palette: Sequence[Sequence[int]] | None = None,
        tta: bool = False,
    ) -> None:
        import mirl_mm.segmentation  # noqa: F401  # registers, and says what is missing

        super().__init__(model, weights, device, show_progress, tta=tta)
        number = int(self.model.num_classes)
        self.classes = self.class_names(number, classes)
        if palette is not None and len(palette) != number:
            raise ValueError(f"{len(palette)} colours for a model of {number} classes: give one for each, in order")
        known = self.meta.get("dataset_meta", {})
        self.palette = class_palette(number, palette or known.get("palette"))
        loader = self.cfg.get("test_dataloader") or self.cfg.get("val_dataloader") or {}
        dataset = loader.get("dataset", {})
        self.rules = MaskRules(
            number,
            bool(known.get("reduce_zero_label", dataset.get("reduce_zero_label", False))),
            dataset.get("ignore_index", 255),
        )

    def __call__(  # type: ignore[override]
        self,
        inputs: Images,
        return_datasamples: bool = False,
        batch_size: int = 1,
        *,
        out_dir: str | Path | None = None,
        draw: bool = False,
        keep_pictures: bool = True,
        plain: bool = False,
        on_error: str = "stop",
        tile: Sequence[int] | None = None,
        overlap: int | None = None,
        mask_dir: str | Path | None = None,
        truth: Truth | None = None,
        opacity: float = 0.6,
    ) -> dict:
        """Segment images; see the class and :meth:`ImageInferencer.__call__`.

        Raises:
            ValueError: If ``opacity`` is not in 0..1, tiles can't be laid or are asked for together with test-time
                augmentation, ``overlap`` has no ``tile``, or ground truth does not fit.
            FileNotFoundError: If ground truth is missing.
        """
        if not 0 <= opacity <= 1:
            raise ValueError(f"opacity must lie in 0..1, got {opacity}")
        if tile is not None:
            tile, overlap = check_tiles(tile, overlap)
            if self.tta:
                raise ValueError("tiles and test-time augmentation don't go together: leave out tile or tta")
        elif overlap is not None:
            raise ValueError("overlap is that of tiles: give tile=(H, W), too")
        return super().__call__(
            inputs,
            return_datasamples,
            1 if tile else batch_size,
            out_dir=out_dir,
            draw=draw,
            keep_pictures=keep_pictures,
            plain=plain,
            on_error=on_error,
            tile=tile,
            in_tiles=tile is not None,
            overlap=overlap,
            tiles_at_once=batch_size,
            mask_dir=mask_dir,
            truth=truth,
            opacity=opacity,
        )

    def check_outputs(
        self,
        images: Sequence[np.ndarray | str],
        out_dir: str | Path | None,
        mask_dir: str | Path | None = None,
        **_: Any,
    ) -> None:
        """As all inferencers, also for masks, which must have a folder of their own."""
        super().check_outputs(images, out_dir)
        if mask_dir is not None:
            outputs_of_images(_MASK_MAKER, images, mask_dir)
            if out_dir is not None and os.path.realpath(out_dir) == os.path.realpath(mask_dir):
                raise OutputError(f"'{mask_dir}' is for pictures and for masks, which have the same names: give two")

    def adjust_config(self, cfg: Config | ConfigDict) -> None:
        """Refuse other models, and a missing test-time augmentation.

        Raises:
            ValueError: If the config's model is no segmentor of mmseg's.
        """
        from mmseg.models.segmentors import EncoderDecoder

        self.check_model(cfg, EncoderDecoder, "segments nothing", "configs/seg")

    def preprocess(  # type: ignore[override]
        self,
        inputs: list[np.ndarray | str],
        batch_size: int = 1,
        in_tiles: bool = False,
        mask_dir: str | Path | None = None,
        truth: Truth | None = None,
    ) -> Iterator[dict]:
        """Batches of images, through the test pipeline or as they are, with paths of their masks and true labels."""
        truths = [None] * len(inputs) if truth is None else find_truth(inputs, truth)
        if mask_dir is not None:
            self._mask_files = outputs_of_images(_MASK_MAKER, inputs, mask_dir)
        paths = [None] * len(inputs) if mask_dir is None else list(map(str, self._mask_files.sources))

        def run(index: int) -> dict:
            data = self._untouched(inputs[index]) if in_tiles else self.pipeline(inputs[index])
            return {**data, "truth": truths[index], "mask_path": paths[index]}

        yield from map(self.collate_fn, self._get_chunk_data(self.passed(run, inputs), batch_size))

    @torch.inference_mode()
    def forward(
        self, inputs: dict, tile: Size | None = None, overlap: int = 0, tiles_at_once: int = 1
    ) -> list[Segmentation]:
        """What is in each image; files of masks are written."""
        truths, paths = inputs.pop("truth"), inputs.pop("mask_path")
        samples = inputs["data_samples"]
        if tile is not None:
            blocks = [blended_tiles(self._score, image, tile, overlap, tiles_at_once) for image in inputs["inputs"]]
            masks = [self._join(each, image.shape[-2:]) for each, image in zip(blocks, inputs["inputs"], strict=True)]
        elif self.augmented is not None:
            samples = [versions[0] for versions in zip(*samples, strict=True)]
            masks = [sample.pred_sem_seg.data.squeeze().byte() for sample in self.augmented.test_step(inputs)]
        else:
            masks = list(self._masks(inputs))
        return [
            self._found(mask.cpu().numpy(), sample.get("img_path"), path, true)
            for mask, sample, path, true in zip(masks, samples, paths, truths, strict=True)
        ]

    def pictures(  # type: ignore[override]
        self, inputs: list[np.ndarray | str], preds: list[Segmentation], out_dir: str | Path, opacity: float = 0.6
    ) -> Iterator[tuple[Path, np.ndarray]]:
        """A picture for each image."""
        for i, (image, found, path) in enumerate(zip(inputs, preds, image_paths(out_dir, inputs), strict=True)):
            title = Path(found.img_path or f"image {i}").name
            truth = (found.truth, found.iou)
            pixels = pixels_of(image)
            yield path, draw_segmentation(pixels, found.mask, self.classes, self.palette, *truth, opacity, title)

    def postprocess(
        self,
        preds: list[Segmentation],
        visualization: list[np.ndarray],
        return_datasamples: bool = False,
        plain: bool = False,
    ) -> dict:
        """Predictions, as dicts or data samples, beside the pictures."""
        if return_datasamples:
            predictions = [_as_sample(found) for found in preds]
        else:
            predictions = [found.as_plain() if plain else found.as_dict() for found in preds]
        return {"predictions": predictions, "visualization": visualization}

    def _untouched(self, image: np.ndarray | str) -> dict:
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


def _as_sample(found: Segmentation) -> Any:
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    sample = SegDataSample(metainfo={"img_path": found.img_path})
    sample.pred_sem_seg = PixelData(data=torch.from_numpy(found.mask)[None].long())
    return sample
