"""How much memory a forward pass keeps for the backward pass, counted without running it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks


def kept_bytes(function: Callable[[], Any], exclude: set[int] | None = None) -> int:
    """Bytes of the tensors that autograd keeps while ``function`` runs, each storage once.

    Works on the meta device, where nothing is computed and no memory is needed. What is kept outside of autograd's
    saving (such as inputs of recomputed blocks) is not seen.

    Args:
        function: Runs a forward pass with gradients.
        exclude: ``id`` of storages that don't count, as parameters'.
    """
    sizes: dict[int, int] = {}
    alive: list[Any] = []  # so that no storage's id is used again

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in (exclude or set()):
            sizes[key] = storage.nbytes()
            alive.append(storage)
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        alive.append(function())
    return sum(sizes.values())


def storages(module: torch.nn.Module) -> set[int]:
    """What :func:`kept_bytes` is to leave out: a module's parameters and buffers."""
    return {tensor.untyped_storage()._cdata for tensor in [*module.parameters(), *module.buffers()]}
