"""ONNX files of backbones and classifiers, written only if they give our numbers."""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from timm.models.vision_transformer import global_pool_nlc
from torch import Tensor, nn

from mirl_mm.classification import ImageClassifier
from mirl_mm.file_backend import whole_file
from mirl_mm.models.backbones import PlainBackbone

from .compare import TOLERANCE, relative_difference
from .publish import check_suffix
from .source import Source
from .weights import describe

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
PARTS = ("backbone", "classifier")
KINDS = ("map", "tokens", "class", "mean")
#: timm's names of how tokens are pooled.
_POOLS = {"tokens": "", "class": "token", "mean": "avg"}
#: Batches that are compared with onnxruntime's: one image, and more than were traced.
BATCHES = (1, 3)
#: A protobuf message's limit, in bytes; larger models would need a second file.
LARGEST = 2**31


class Exported(NamedTuple):
    """A written ONNX file.

    Attributes:
        path: Where it is.
        inputs: Name to shape; a word stands for a size that is free.
        outputs: Likewise.
        differences: Batch size to the largest difference from ours, as a share of the output's largest value.
    """

    path: Path
    inputs: dict[str, list[int | str]]
    outputs: dict[str, list[int | str]]
    differences: dict[int, float]


class _Outputs(nn.Module):
    """A backbone that gives a kind of features for each of its ``out_indices``, or a classifier that gives scores."""

    def __init__(self, model: PlainBackbone | ImageClassifier, kind: str) -> None:
        super().__init__()
        self.model, self.kind = model, kind

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        model = self.model
        if isinstance(model, ImageClassifier):
            return (model.logits(images),)
        if self.kind == "map":
            return model(images)
        pool, prefix = _POOLS[self.kind], model.num_prefix_tokens
        return tuple(global_pool_nlc(x, pool, prefix) for x in model.forward_tokens(images))


def export_onnx(
    source: Source,
    path: str | Path,
    part: str | None = None,
    features: Sequence[int] = (-1,),
    kind: str = "map",
    img_size: tuple[int, int] | None = None,
    tolerance: float = TOLERANCE,
) -> Exported:
    """Export a checkpoint's backbone or classifier, compare it with ours in onnxruntime, and only then write it.

    The input ``images`` is ``(batch, 3, H, W)`` float32, normalised as in training (``mean`` and ``std`` are in the
    file's metadata), with any batch and this (H, W). Weights and arithmetic are float32.

    Args:
        source: Of :func:`.source.open_source`.
        path: ``.onnx``.
        part: ``"classifier"``: scores before the softmax, ``scores`` ``(batch, classes)``. ``"backbone"``: features.
            Default: the classifier if there is one, else the backbone; for a detector or segmentor there is none.
        features: Of a backbone: the blocks after which features are given, from 0; negative ones count from the end.
        kind: Of the features. ``"map"``: ``(batch, C, H / p, W / p)``; ``"tokens"``: ``(batch, 1 + L, C)``, class token
            first; ``"class"``: the class token, ``(batch, C)``; ``"mean"``: the mean of the patch tokens,
            ``(batch, C)``. An output's name is the kind and the block's number, such as ``map_47``; the last block's
            features are after the final norm.
        img_size: (H, W), in place of that of training; positions are resampled to it.
        tolerance: Largest difference, as a share of an output's largest value.

    Raises:
        ImportError: If a package for ONNX is missing.
        ValueError: If the checkpoint lacks the part or a detector's is not named, the model is too large for one file,
            or the numbers differ.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ImportError(f"ONNX export needs {', '.join(missing)}: pip install 'mirl_mm[onnx]'")
    path = check_suffix(path, (".onnx",))
    part = source.choose_part(part, PARTS)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    size = {} if img_size is None else {"img_size": tuple(img_size)}
    model: PlainBackbone | ImageClassifier
    if part == "classifier":
        model = source.classifier(**size)
        names = ["scores"]
    else:
        model = source.backbone(**size, out_indices=tuple(features))
        if kind == "class" and not model.has_class_token:
            raise ValueError(f"the backbone of {source.name} has no class token: take another kind of features")
        names = [f"{kind}_{index}" for index in model.out_indices]
    backbone = model.backbone if isinstance(model, ImageClassifier) else model
    shape = (backbone.in_channels, *backbone.img_size)
    wrapper = _Outputs(model, kind).eval()
    program = _convert(wrapper, shape, names)
    facts = describe(source, model) | {"part": part, "input": "images, normalised by mean and std, RGB"}
    program.model.metadata_props.update(facts)
    with whole_file(path) as partial:
        program.save(str(partial), external_data=False)
        inputs, outputs, differences = _compare(wrapper, shape, partial, tolerance)
    return Exported(path, inputs, outputs, differences)


def _convert(wrapper: nn.Module, shape: Sequence[int], names: list[str]) -> Any:
    size = sum(tensor.numel() * tensor.element_size() for tensor in wrapper.state_dict().values())
    if size >= LARGEST:
        raise ValueError(f"the model has {size / 1e9:.1f} GB of weights, and one ONNX file holds less than 2 GB")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about its own parts
        return torch.onnx.export(
            wrapper,
            (torch.zeros(2, *shape),),  # neither 0 nor 1, which torch would take for fixed
            dynamo=True,
            input_names=["images"],
            output_names=names,
            dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
            verbose=False,
        )


def _compare(wrapper: nn.Module, shape: Sequence[int], path: Path, tolerance: float) -> tuple[Any, Any, dict]:
    """Run the file in onnxruntime on random images; inputs, outputs and differences for :class:`Exported`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    differences = {}
    for batch in BATCHES:
        images = torch.randn(batch, *shape, generator=generator)
        with torch.no_grad():
            expected = wrapper(images)
        got = session.run(None, {"images": images.numpy()})
        each = [relative_difference(torch.from_numpy(a), b) for a, b in zip(got, expected, strict=True)]
        differences[batch] = worst = max(each, key=lambda value: (value != value, value))
        if not worst <= tolerance:
            name = session.get_outputs()[each.index(worst)].name
            raise ValueError(
                f"onnxruntime's {name} of {batch} random images differs from ours by {worst:.1e} of the largest value "
                f"(allowed: {tolerance:g}); nothing was written"
            )
    tables = [{item.name: item.shape for item in items} for items in (session.get_inputs(), session.get_outputs())]
    return tables[0], tables[1], differences
