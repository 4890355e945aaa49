"""What of a segmentor's config follows from its backbone and its data."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mirl_mm.discovery import Found, class_file, read_names
from mirl_mm.engine.tasks import Setting, Task, each, given
from mirl_mm.models.layers import Size
from mirl_mm.registry import TASKS

_HEADS = ("decode_head", "auxiliary_head")


@TASKS.register_module()
class Segmentation(Task):
    """A class for each pixel, in segmentation maps."""

    learns_from = "masks"
    data_sets = ("ADE20KDataset",)
    unnamed = True

    def settings(self, model: Mapping, neck: Any, channels: int, stride: Size) -> Iterator[Setting]:
        """Channels of heads whose maps are as wide as the backbone's: without a neck, or behind mmseg's pyramid."""
        if model.get("neck") and getattr(neck, "__name__", "") != "Feature2Pyramid":
            return
        yield from given("model.neck", model.get("neck"), embed_dim=channels)
        for name in _HEADS:
            for path, head in each(f"model.{name}", model.get(name)):
                maps = head.get("in_channels")
                wanted = channels if isinstance(maps, int) else [channels] * len(maps or ())
                yield from given(path, head, in_channels=wanted)

    def check_classes(self, model: Mapping, number: int) -> None:
        """A loss that weights classes needs a weight for each.

        Raises:
            ValueError: If it has another number of them.
        """
        for name in _HEADS:
            for path, head in each(f"model.{name}", model.get(name)):
                losses = head.get("loss_decode") or {}
                several = isinstance(losses, (list, tuple))
                for i, loss in enumerate(losses if several else [losses]):
                    weights = loss.get("class_weight")
                    if isinstance(weights, Sequence) and not isinstance(weights, str) and len(weights) != number:
                        place = f"{path}.loss_decode{f'[{i}]' if several else ''}"
                        raise ValueError(
                            f"{place}.class_weight has {len(weights)} values, the data {number} classes: give one for "
                            "each class, in the order of metainfo=dict(classes=(...)), or None for all alike"
                        )

    def content(self, root: Path, dataset: Mapping) -> Found | None:
        """Names, if a file with them is in the folder."""
        file = class_file([root])
        return None if file is None else Found(self.learns_from, {}, read_names(file))
