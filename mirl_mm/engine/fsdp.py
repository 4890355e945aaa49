"""PyTorch's FSDP2 for a model on a plain backbone: sharding it, and full tensors from the shards and back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import get_world_size
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from .layer_decay import find_backbone


def shard(model: nn.Module) -> None:
    """Shard a model in place: a unit for each of the backbone's blocks, one for the rest.

    All processes must have the same weights. A state dict that is loaded afterwards has full tensors, of which every
    process takes its shard.
    """
    mesh = init_device_mesh(get_device(), (get_world_size(),))
    for block in find_backbone(model)[1].blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for module in model.modules():
        if any(isinstance(parameter, DTensor) for parameter in module.parameters(recurse=False)):
            module.register_load_state_dict_pre_hook(_shard_weights)


@contextmanager
def full_states(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Let ``state_dict()`` of both return full tensors on the CPU. All processes have to enter."""
    weights, states = _full(model.state_dict()), _full(optimizer.state_dict())
    handles = [
        model.register_state_dict_post_hook(lambda _, state_dict, *__: state_dict.update(weights)),
        optimizer.register_state_dict_post_hook(lambda *_: states),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def gathered(model: nn.Module) -> Iterator[None]:
    """Give each process the whole model for a while, so that it can use any part of it without the others.

    All processes have to enter and to leave; a model that is not sharded is left alone.
    """
    units = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for unit in units:
        unit.unshard()
        unit.set_reshard_after_forward(False, recurse=False)
    try:
        yield
    finally:
        for unit in units:
            unit.set_reshard_after_forward(unit is not model, recurse=False)  # the outermost one stays by default
            unit.reshard()


def _full(value: Any) -> Any:
    """The same dicts and lists with every distributed tensor gathered to the CPU, one after the other."""
    if isinstance(value, Mapping):
        return {key: _full(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_full(item) for item in value]
    return value.full_tensor().cpu() if isinstance(value, DTensor) else value


def _shard_weights(module: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    """Replace what is loaded into ``module``'s own parameters by this process's shard of it."""
    for name, parameter in module.named_parameters(recurse=False):
        key = prefix + name
        if key in state_dict:
            state_dict[key] = _shard_like(state_dict[key], parameter)


def shard_states(optimizer: torch.optim.Optimizer, state_dict: dict[str, Any]) -> dict[str, Any]:
    """A state dict of an optimiser with this process's shard of whatever has its parameter's shape."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    indices = [index for group in state_dict["param_groups"] for index in group["params"]]
    states = dict(state_dict["state"])
    for index, parameter in zip(indices, parameters, strict=True):
        if index in states:
            states[index] = {key: _shard_like(value, parameter) for key, value in states[index].items()}
    return {**state_dict, "state": states}


def _shard_like(value: Any, parameter: Tensor) -> Any:
    if not isinstance(parameter, DTensor) or isinstance(value, DTensor) or not isinstance(value, Tensor):
        return value
    if value.shape != parameter.shape:  # an optimiser's step count, or what the load will refuse
        return value
    value = value.to(parameter.device)
    return distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)
