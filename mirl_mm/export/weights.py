"""From a checkpoint to a file of weights that others can load."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from mirl_mm import __version__
from mirl_mm.checkpoint.load_report import ADAPTERS
from mirl_mm.classification import ImageClassifier
from mirl_mm.models.backbones import PlainBackbone

from .publish import check_suffix, publish
from .source import Source
from .timm_model import check_timm, timm_call, timm_state

LAYOUTS = ("timm", "mirl")
PARTS = ("backbone", "classifier", "all")


class Published(NamedTuple):
    """A written file.

    Attributes:
        path: Where it is.
        tensors: How many tensors it has.
        parameters: How many numbers they have.
        metadata: What is said about them.
        difference: Layout ``timm``: largest difference from timm's model with these weights, as a share of the largest
            value.
    """

    path: Path
    tensors: int
    parameters: int
    metadata: dict[str, str]
    difference: float | None


def export_weights(
    source: Source, path: str | Path, layout: str = "timm", part: str | None = None, name_by_hash: bool = False
) -> Published:
    """Write a checkpoint's weights for others.

    Args:
        source: Of :func:`.source.open_source`.
        path: ``.safetensors`` or ``.pth``.
        layout: Names of the tensors. ``"timm"``: those of timm's ``VisionTransformer``. ``"mirl"``: ours, as
            ``init_cfg`` and ``--load-from`` take them.
        part: ``"backbone"``; ``"classifier"``: backbone and head; ``"all"``: everything, e.g. with the decoders of a
            pre-training or the heads of a detector. Default: the classifier if there is one, else the backbone; for a
            detector or segmentor there is none.
        name_by_hash: See :func:`publish`.

    Raises:
        ValueError: If the checkpoint lacks the part or a detector's is not named, or timm has no such network.
    """
    path = check_suffix(path)
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    part = source.choose_part(part, PARTS)
    if part == "all" and layout == "timm":
        raise ValueError("timm's layout has a backbone and a linear head only: take another part, or the layout 'mirl'")
    model = source.classifier() if part == "classifier" else source.backbone()
    metadata = describe(source, model) | {"layout": layout, "part": part}
    difference = None
    if layout == "timm":
        name, options = timm_call(model)
        tensors = timm_state(model)
        difference = check_timm(model, name, options, tensors)
        metadata |= {"timm_model": name, "timm_arguments": json.dumps(options)}
    elif part == "all":
        tensors = source.state
        if any(name.endswith(ADAPTERS) for name in tensors):  # which the model's weights have in them
            others = {name: tensor for name, tensor in tensors.items() if not name.startswith("backbone.")}
            tensors = others | _prefixed(model)
    else:
        tensors = _prefixed(model)
    written = publish(tensors, metadata, path, name_by_hash)
    return Published(written, len(tensors), sum(t.numel() for t in tensors.values()), metadata, difference)


def describe(source: Source, model: PlainBackbone | ImageClassifier) -> dict[str, str]:
    """What somebody needs to know who has only the file; numbers and lists are JSON.

    ``mean`` and ``std`` are of pixels between 0 and 1, in the order red, green, blue.
    """
    backbone = model.backbone if isinstance(model, ImageClassifier) else model
    names = ("depth", "embed_dims", "num_heads", "mlp_ratio", "patch_size", "img_size")
    facts: dict[str, Any] = {name: getattr(backbone, name) for name in names if hasattr(backbone, name)}
    images = source.model.get("data_preprocessor") or {}
    facts |= {key: [round(value / 255, 6) for value in images[key]] for key in ("mean", "std") if images.get(key)}
    if isinstance(model, ImageClassifier):
        facts |= {"num_classes": model.head.num_classes, "pool": model.head.pool_kind}
    words = {
        "producer": f"mirl_mm {__version__}",
        "model": source.model.type,
        "weights": source.weights,
        "source": ", ".join(filter(None, (source.name, source.progress))),
    }
    return words | {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}


def _prefixed(model: PlainBackbone | ImageClassifier) -> dict[str, Tensor]:
    prefix = "" if isinstance(model, ImageClassifier) else "backbone."
    return {f"{prefix}{name}": tensor for name, tensor in model.state_dict().items()}
