"""PyTorch's FSDP2 for a model on a plain backbone: sharing it out, and whole tensors from the shares and back."""

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
    """Share a model out in place: a unit for each of the backbone's blocks, one for the rest.

    All processes must have the same weights. A state dict that is loaded afterwards has whole tensors, of which every
    process takes its share.
    """
    mesh = init_device_mesh(get_device(), (get_world_size(),))
    for block in find_backbone(model)[1].blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for module in model.modules():
        if any(isinstance(parameter, DTensor) for parameter in module.parameters(recurse=False)):
            module.register_load_state_dict_pre_hook(_share_weights)


@contextmanager
def whole_states(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Let ``state_dict()`` of both return whole tensors on the CPU. All processes have to enter."""
    weights, states = _whole(model.state_dict()), _whole(optimizer.state_dict())
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

    All processes have to enter and to leave; a model that is not shared out is left alone.
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


def _whole(value: Any) -> Any:
    """The same dicts and lists with every distributed tensor gathered to the CPU, one after the other."""
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value.full_tensor().cpu() if isinstance(value, DTensor) else value


def _share_weights(module: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    """Replace what is loaded into ``module``'s own parameters by this process's share of it."""
    for name, parameter in module.named_parameters(recurse=False):
        key = prefix + name
        if key in state_dict:
            state_dict[key] = _share(state_dict[key], parameter)


def share_states(optimizer: torch.optim.Optimizer, state_dict: dict[str, Any]) -> dict[str, Any]:
    """Likewise for the states of an optimiser: what has its parameter's shape."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = [number for group in state_dict["param_groups"] for number in group["params"]]
    states = dict(state_dict["state"])
    for number, parameter in zip(numbers, parameters, strict=True):
        if number in states:
            states[number] = {key: _share(value, parameter) for key, value in states[number].items()}
    return {**state_dict, "state": states}


def _share(value: Any, parameter: Tensor) -> Any:
    if not isinstance(parameter, DTensor) or isinstance(value, DTensor) or not isinstance(value, Tensor):
        return value
    if value.shape != parameter.shape:  # an optimiser's step count, or what the load will refuse
        return value
    value = value.to(parameter.device)
    return distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)
