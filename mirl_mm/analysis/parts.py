"""What each part of a classifier, detector or segmentor costs when it predicts, without its weights in memory."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from mirl_mm.models.layers import Size
from mirl_mm.models.layers.device import meta_stands_for
from mirl_mm.registry import SCOPE

from .flops import Macs, count_macs, encoder_settings, model_on_meta

#: Heads that see whole maps: of mmseg's segmentors, mmdet's two-stage and one-stage detectors.
_DENSE_HEADS = ("decode_head", "rpn_head", "bbox_head")


class Part(NamedTuple):
    """A part of a model.

    Attributes:
        name: Where it is in the model.
        parameters: All of them.
        macs: Multiply-adds of the prediction for one image; none of a head that only helps in training.
        regions: How many regions of the image it is run on; None for the whole image.
    """

    name: str
    parameters: int
    macs: Macs
    regions: int | None = None


def model_parts(
    model: Mapping[str, Any], scope: str = SCOPE, img_size: Size | None = None, device: str = "cpu"
) -> list[Part]:
    """Cost of each part in the prediction for one image of the backbone's ``img_size``.

    A segmentor is counted on one window of slide inference. A detector's heads on regions are counted for as many as
    the test lets through (``rpn.max_per_img`` boxes, ``rcnn.max_per_img`` masks), the most that an image can have.

    Args:
        model: The config's ``model``: a classifier of ours, a detector of mmdet or a segmentor of mmseg on a plain
            backbone.
        scope: The config's ``default_scope``.
        img_size: (H, W) in place of the config's.
        device: Whose way is counted, as in :func:`~mirl_mm.analysis.encoder_cost`.

    Raises:
        ValueError: If there is no plain backbone.
    """
    settings = {**deepcopy(dict(model)), "backbone": encoder_settings(model, img_size)}
    network = model_on_meta(settings, scope).eval()
    backbone = network.backbone
    with torch.device("meta"), meta_stands_for(device):
        images = torch.empty(1, backbone.in_channels, *backbone.img_size)
        parts: list[Part] = []

        def measure(name: str, part: nn.Module, run: Callable[[], Any], regions: int | None = None) -> Any:
            outcome: list[Any] = []
            macs = count_macs(lambda: outcome.append(run()))
            parts.append(Part(name, _parameters(part), macs, regions))
            return outcome[0]

        if hasattr(network, "head"):  # of a classifier, which takes tokens
            tokens = measure("backbone", backbone, lambda: backbone.forward_tokens(images)[-1])
            measure("head", network.head, lambda: network.head(tokens, backbone.num_prefix_tokens))
            return parts
        maps = measure("backbone", backbone, lambda: backbone(images))
        if network.with_neck:
            maps = measure("neck", network.neck, lambda: network.neck(maps))
        for name in _DENSE_HEADS:
            head = getattr(network, name, None)
            if head is not None:
                measure(name, head, partial(head, maps))
        for name, kind, _, head, side in region_heads(network):
            test = network.test_cfg
            regions = (test.rpn if kind == "bbox" else test.rcnn).max_per_img
            x = torch.empty(regions, maps[0].shape[1], side, side)
            measure(name, head, partial(head, x), regions)
    if getattr(network, "auxiliary_head", None) is not None:
        parts.append(Part("auxiliary_head", _parameters(network.auxiliary_head), Macs(0, 0)))
    return parts


def total_cost(parts: list[Part]) -> tuple[int, Macs]:
    """Parameters and multiply-adds of all parts together."""
    linear, attention = (sum(getattr(part.macs, kind) for part in parts) for kind in ("linear", "attention"))
    return sum(part.parameters for part in parts), Macs(linear, attention)


def region_heads(network: Any) -> Iterator[tuple[str, str, int, nn.Module, int]]:
    """A two-stage detector's heads on regions, a cascade's all: name, kind, stage, head, and the regions' side."""
    for kind in ("bbox", "mask") if hasattr(network, "roi_head") else ():
        heads, extractors = (
            _listed(getattr(network.roi_head, f"{kind}_{what}", [])) for what in ("head", "roi_extractor")
        )
        for stage, (head, extractor) in enumerate(zip(heads, extractors, strict=True)):
            name = f"roi_head.{kind}_head" + (f".{stage}" if len(heads) > 1 else "")
            yield name, kind, stage, head, extractor.roi_layers[0].output_size[0]


def _listed(modules: Any) -> list[Any]:
    """A module's list where mmdet has one or several."""
    return [modules] if isinstance(modules, nn.Module) and not isinstance(modules, nn.ModuleList) else list(modules)


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
