"""Parameters and multiply-adds of a config's model, without its weights in memory.

Models are built and run on the ``meta`` device: shapes only, so the largest takes a second. Counted are the matrix
multiplications (linear layers, convolutions, attention), forward and backward, by PyTorch's own counter, which sees
every operation that is dispatched. mmengine's ``get_model_complexity_info`` traces the forward pass only, leaves fused
attention out and adds normalisation layers, which the paper's figures don't have.
"""

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from mmengine.registry import DefaultScope
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, register_flop_formula

from mirl_mm.models.backbones import is_backbone
from mirl_mm.models.layers import Size
from mirl_mm.models.layers.device import meta_stands_for
from mirl_mm.models.pretrainers import Pretrainer
from mirl_mm.registry import MODELS, SCOPE

from .textbook import KINDS, PlainFormulation

#: What the unfused attention multiplies with: batched products of activations, of which layers with weights use others;
#: and our own kernel, which does not unfuse.
_OURS = torch.ops.mirl_mm
_SHORT = (_OURS.short_attention, _OURS.short_cross_attention)
_SHORT_BACKWARD = (_OURS.short_attention_backward, _OURS.short_cross_attention_backward)
_ATTENTION_OPS = (torch.ops.aten.bmm, torch.ops.aten.baddbmm, *_SHORT, *_SHORT_BACKWARD)


@register_flop_formula(_SHORT)
def _short_flops(*inputs: Any, out_shape: tuple[int, ...], **_: Any) -> int:
    """Queries by keys, and weights by values, of ``qkv`` (B, N, 3C) or of q and ``kv`` (B, N, 2C): 2 x 2 B Q N C."""
    packed = inputs[-2]
    return 4 * math.prod(out_shape) * packed[1]


@register_flop_formula(_SHORT_BACKWARD)
def _short_backward_flops(*inputs: Any, **_: Any) -> int:
    """Two products for each of the forward pass's; the scores that are made again don't count."""
    packed, grad = inputs[-3:-1]
    return 8 * math.prod(grad) * packed[1]


class Macs(NamedTuple):
    """Multiply-adds. One is two floating-point operations; papers on ViTs, MIRL's included, call it one FLOP.

    Attributes:
        linear: Of linear layers and the patch embedding: what MIRL's paper counts.
        attention: Of attention's two products, queries by keys and weights by values.
    """

    linear: int
    attention: int

    @property
    def total(self) -> int:
        """Both."""
        return self.linear + self.attention

    @property
    def flops(self) -> int:
        """Floating-point operations: twice the multiply-adds."""
        return 2 * self.total


class EncoderCost(NamedTuple):
    """An encoder on one whole image.

    Attributes:
        parameters: All of them, fixed positions included.
        trainable: Those that are trained.
        macs: Of the forward pass.
        img_size: (H, W) of the image.
        patches: How many tokens it becomes.
        prefix_tokens: Tokens besides: class token, registers.
    """

    parameters: int
    trainable: int
    macs: Macs
    img_size: Size
    patches: int
    prefix_tokens: int


def count_macs(run: Callable[[], Any]) -> Macs:
    """Multiply-adds of whatever ``run()`` computes, on any device; a backward pass in it counts as well.

    Attention runs unfused meanwhile, so what a fused kernel would compute a second time in its backward pass is not
    counted. Nor is anything but matrix multiplication.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    counts = counter.get_flop_counts().get("Global", {})
    attention = sum(flops for op, flops in counts.items() if op in _ATTENTION_OPS)
    return Macs((sum(counts.values()) - attention) // 2, attention // 2)


def encoder_settings(model: Mapping[str, Any] | None, img_size: Size | None = None) -> dict[str, Any]:
    """The backbone of a config's ``model``, for any task.

    Args:
        model: The config's ``model``: a plain backbone such as DeepViT, or a model that has one as ``backbone``.
        img_size: (H, W) in place of the config's.

    Raises:
        ValueError: If there is no plain backbone.
    """
    if model is None:
        raise ValueError("the config has no model: give one of a task, such as configs/pretrain/mirl_vitb48_in1k.py")
    settings = model if is_plain(model) else model.get("backbone")
    if settings is None or not is_plain(settings):
        found = model.get("type") if settings is None else f"{model.get('type')} with a {settings.get('type')}"
        raise ValueError(
            f"the config's model is a {found}, which has no plain backbone such as DeepViT: nothing to count"
        )
    size = {} if img_size is None else {"img_size": img_size}
    return {**deepcopy(dict(settings)), **size}


def encoder_cost(settings: Mapping[str, Any], device: str = "cpu") -> EncoderCost:
    """Cost of an encoder on one whole image of its ``img_size``.

    Args:
        settings: From :func:`encoder_settings`.
        device: Whose way is counted, ``"cpu"`` or ``"cuda"``: with relative positions, attention on a GPU is of wider
            heads and so of more multiply-adds.
    """
    encoder = model_on_meta(settings).train()
    image = torch.empty(1, encoder.in_channels, *encoder.img_size, device="meta")
    parameters = list(encoder.parameters())
    with meta_stands_for(device):
        macs = count_macs(lambda: encoder.forward_tokens(image))
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    patches, prefix = encoder.grid[0] * encoder.grid[1], encoder.num_prefix_tokens
    return EncoderCost(sum(p.numel() for p in parameters), trainable, macs, encoder.img_size, patches, prefix)


def is_pretrainer(model: Mapping[str, Any], kinds: type | tuple[type, ...] = Pretrainer) -> bool:
    """Whether a config's ``model`` is MIRL, MAE or another pre-trainer; ``kinds``: of which classes."""
    found = _kind(model)
    return isinstance(found, type) and issubclass(found, kinds)


def has_plain_formulation(model: Mapping[str, Any]) -> bool:
    """Whether there is a :class:`PlainFormulation` of a config's ``model``."""
    return is_pretrainer(model, KINDS)


def pretraining_macs(
    model: Mapping[str, Any],
    batch_size: int,
    img_size: Size | None = None,
    backward: bool = False,
    plain: bool = False,
) -> Macs:
    """Multiply-adds of a pre-trainer's loss for a whole batch.

    Not proportional to the batch: what is equal for all samples is computed once.

    Args:
        model: The config's ``model``.
        batch_size: Images B.
        img_size: (H, W) in place of the config's.
        backward: Count the backward pass as well: a training step without the optimiser.
        plain: Count the textbook formulation (:class:`PlainFormulation`) in place of ours.

    Raises:
        ValueError: If ``model`` is no pre-trainer.
    """
    if not is_pretrainer(model):
        raise ValueError(f"the config's model is a {model.get('type')}, no pre-trainer such as MIRL or MAE")
    settings = {**deepcopy(dict(model)), "backbone": encoder_settings(model, img_size)}
    settings.pop("data_preprocessor", None)
    pretrainer = model_on_meta(settings).train()
    run = PlainFormulation(pretrainer) if plain else pretrainer
    channels = pretrainer.backbone.in_channels
    images = torch.empty(batch_size, channels, *pretrainer.backbone.img_size, device="meta")

    def step() -> None:
        loss = run(images, mode="loss")["loss"]
        if backward:
            loss.backward()

    return count_macs(step)


def model_on_meta(model: Mapping[str, Any], scope: str = SCOPE) -> Any:
    """A config's ``model`` with shapes in place of weights."""
    with torch.device("meta"), DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(deepcopy(dict(model)))


def is_plain(settings: Any) -> bool:
    """Whether settings are a plain backbone's."""
    return is_backbone(_kind(settings))


def _kind(settings: Any) -> Any:
    """The class that settings name."""
    kind = settings.get("type") if isinstance(settings, Mapping) else None
    return MODELS.get(kind) if isinstance(kind, str) else kind
