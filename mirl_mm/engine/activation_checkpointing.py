"""Activation checkpointing of a backbone's blocks, from outside: no model knows of it."""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mirl_mm.models.backbones import PlainBackbone, is_backbone

from .hooks.unwrapped import unwrapped_model


class CheckpointedForward:
    """Stands for a block's ``forward``: where gradients are wanted, the backward pass computes it again.

    Attributes:
        forward: What is computed. A compiler may put its own in its place.
    """

    def __init__(self, forward: Callable[..., Tensor]) -> None:
        self.forward = forward

    def __call__(self, x: Tensor, **context: Any) -> Tensor:
        """The block's output; only its input is kept."""
        if torch.is_grad_enabled() and x.requires_grad:
            return checkpoint(self.forward, x, use_reentrant=False, **context)
        return self.forward(x, **context)


def checkpoint_activations(model: nn.Module) -> None:
    """Keep of each of the backbone's blocks its input alone, and recompute the rest in the backward pass; in place.

    A second forward pass of the blocks buys memory for one block's activations at a time. Names in the state dict stay.

    Args:
        model: On a plain backbone, or one itself; as it is, or sharded by FSDP.

    Raises:
        ValueError: If the model has no plain backbone.
    """
    block: Any
    for block in plain_backbone(model, "activation_checkpointing").blocks:
        block.forward = CheckpointedForward(block.forward)


def plain_backbone(model: nn.Module, what: str) -> PlainBackbone:
    """The plain backbone of a model, before its teacher if there is one, or the model itself if it is one.

    Raises:
        ValueError: If there is none.
    """
    found: Any = next(filter(is_backbone, model.modules()), None)
    if found is None:
        raise ValueError(
            f"{what} is for models on a plain backbone such as DeepViT, which {type(model).__name__} lacks"
        )
    return found


def is_checkpointed(backbone: PlainBackbone) -> bool:
    """Whether :func:`checkpoint_activations` has been here."""
    return any(isinstance(block.forward, CheckpointedForward) for block in backbone.blocks)


def checkpoint_runner(runner: Runner, wanted: bool) -> None:
    """:func:`checkpoint_activations` for the model of a runner, or nothing.

    Raises:
        ValueError: If the model has no plain backbone.
    """
    runner.cfg.activation_checkpointing = None  # in which mmengine would look for names of modules
    if wanted:
        checkpoint_activations(unwrapped_model(runner))
        runner.logger.info("activation checkpointing: blocks are computed again in the backward pass")


def check_activation_checkpointing(setting: Any) -> bool:
    """The config's ``activation_checkpointing``: None, False or True.

    Raises:
        ValueError: For anything else.
    """
    if setting is not None and not isinstance(setting, bool):
        raise ValueError(f"activation_checkpointing must be True or False, got {setting!r}")
    return bool(setting)
