"""What training keeps in memory for the backward pass, counted without running it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch

from mirl_mm.models.backbones import PlainBackbone, is_backbone
from mirl_mm.models.layers.device import meta_stands_for
from mirl_mm.models.pretrainers import Pretrainer
from mirl_mm.registry import SCOPE

from .parts import model_on_meta, region_heads
from .saved_tensors import kept_bytes, storages

#: Heads that see whole maps, in the order in which a training calls them.
_DENSE_HEADS = ("decode_head", "auxiliary_head", "rpn_head", "bbox_head")


class Memory(NamedTuple):
    """What a training holds.

    Attributes:
        parameters: How many there are.
        trained: Of them, those with a gradient.
        activations: Bytes for each image, in float32.
    """

    parameters: int
    trained: int
    activations: int

    @property
    def states(self) -> int:
        """Bytes of the weights, and of gradients and AdamW's two averages of those that are trained; all float32."""
        return 4 * self.parameters + 12 * self.trained


def activation_bytes(model: Mapping[str, Any], images: int, checkpointing: bool = False) -> int | None:
    """Bytes of activations that a step keeps for its backward pass, in float32.

    Args:
        model: The config's ``model``.
        images: Of the step.
        checkpointing: Whether blocks are recomputed: the config's ``activation_checkpointing``.

    Returns:
        None for models other than pre-trainers and classifiers.
    """
    network = model_on_meta({**model, "data_preprocessor": None}).train()
    if not getattr(network, "fixed_image_size", False):
        return None
    backbone = network.backbone
    known = storages(network)
    with torch.device("meta"):
        pixels = torch.empty(images, backbone.in_channels, *backbone.img_size)
        options = {"mode": "loss"} if isinstance(network, Pretrainer) else {}

        def run() -> Any:
            return network(pixels, **options)

        total = kept_bytes(run, known)
        if not checkpointing:
            return total
        call, size = _block_calls(backbone, run)[0]
        block = kept_bytes(call, known)
    return total - backbone.depth * (block - size) + block


def training_memory(
    model: Mapping[str, Any], scope: str = SCOPE, device: str = "cpu", checkpointing: bool = False
) -> Memory:
    """Count what a detector or segmentor holds while it is trained.

    Activations are those of backbone, neck and heads, of heads on regions for as many as are sampled in an image.
    Losses, anchors, the compiler's and the libraries' own memory are not in it.

    Args:
        model: The config's ``model``: a detector of mmdet or a segmentor of mmseg on a plain backbone.
        scope: The config's ``default_scope``.
        device: Whose way is counted, ``"cpu"`` or ``"cuda"``: with relative positions, attention on a GPU keeps wider
            heads.
        checkpointing: Whether blocks are recomputed: the config's ``activation_checkpointing``.

    Raises:
        ValueError: If it is another model.
    """
    network = model_on_meta(model, scope).train()
    heads = [head for name in _DENSE_HEADS if (head := getattr(network, name, None)) is not None]
    if not heads or not is_backbone(network.backbone):
        raise ValueError(f"the config's model is {model.get('type')}, no detector or segmentor on a plain backbone")
    images = 2  # batch norm wants two
    known = storages(network)
    with torch.device("meta"), meta_stands_for(device):
        backbone = network.backbone
        pixels = torch.empty(images, backbone.in_channels, *backbone.img_size)
        if checkpointing:  # the inputs of all blocks, and one block's activations
            calls = _block_calls(backbone, lambda: backbone(pixels))
            total = sum(size for _, size in calls) + max(kept_bytes(call, known) for call, _ in calls)
        else:
            total = kept_bytes(lambda: backbone(pixels), known)
        size = (images, backbone.embed_dims, *backbone.grid)
        maps = tuple(torch.empty(size, requires_grad=True) for _ in backbone.out_indices)
        if network.with_neck:
            total += kept_bytes(lambda: network.neck(maps), known)
            maps = network.neck(maps)
        total += sum(kept_bytes(partial(head, maps), known) for head in heads)
        total //= images
        sampled = {"bbox": 0, "mask": 0}
        for _, kind, stage, head, side in region_heads(network):  # for one image; a cascade has several of each kind
            settings = network.train_cfg.rcnn
            sampler = (settings[stage] if isinstance(settings, list) else settings).sampler
            sampled[kind] = sampler.get("num", sampled[kind])  # without one, all boxes of the stage before
            share = sampler.pos_fraction if kind == "mask" else 1  # masks are learnt of objects alone
            x = torch.empty(int(sampled[kind] * share), maps[0].shape[1], side, side, requires_grad=True)
            total += kept_bytes(partial(head, x), known)
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    return Memory(sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained), total)


def _block_calls(backbone: PlainBackbone, run: Callable[[], Any]) -> list[tuple[Callable[[], Any], int]]:
    """How each block is called while ``run`` runs, with inputs that want gradients, and the bytes of its tokens."""
    calls: list[tuple[Callable[[], Any], int]] = []

    def note(block: Any, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        x = torch.empty_like(args[0]).requires_grad_()
        calls.append((partial(block, x, **given), x.untyped_storage().nbytes()))

    handles = [block.register_forward_pre_hook(note, with_kwargs=True) for block in backbone.blocks]
    with torch.no_grad():
        run()
    for handle in handles:
        handle.remove()
    return calls
