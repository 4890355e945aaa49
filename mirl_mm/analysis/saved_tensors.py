"""How much memory a forward pass keeps for the backward pass, counted without running it."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode

from mirl_mm.models.layers.device import device_kind


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

    with saved_tensors_hooks(pack, lambda tensor: tensor), _FusedOnGPU():
        alive.append(function())
    return sum(sizes.values())


class _FusedOnGPU(TorchFunctionMode):
    """Lets ``meta`` tensors that stand for a GPU's take a fused kernel: PyTorch would write their scores out."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention and args[0].device.type == "meta" and device_kind(args[0]) == "cuda":
            return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(*args, scale=kwargs.get("scale"))[0]
        return func(*args, **kwargs)


def storages(module: torch.nn.Module) -> set[int]:
    """What :func:`kept_bytes` is to leave out: a module's parameters and buffers."""
    return {tensor.untyped_storage()._cdata for tensor in [*module.parameters(), *module.buffers()]}
