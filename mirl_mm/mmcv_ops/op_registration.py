"""Registration of the ops, and the precision in which they compute."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any

import torch
from torch import Tensor

_NARROW = (torch.float16, torch.bfloat16)
#: The ops by name.
REGISTERED: dict[str, Callable[..., Any]] = {}


def op(*written: str, arguments: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as an op that computes outside of autocast, and in float32 on half and bfloat16 tensors.

    mmcv's compiled ops compute in the tensors' own precision, and most know no bfloat16; this is never less exact, and
    float32 and float64 stay as they are.

    Args:
        written: Names of the function's arguments that it writes its results into; half and bfloat16 ones receive a
            rounded copy. A floating-point tensor that is returned is rounded likewise.
        arguments: Names of mmcv's arguments, in order, of which the function names those that it has a use for, and
            takes the others as ``**``. Default: the function's own.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        names = arguments.split() or list(signature(function).parameters)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            given = dict(zip(names, args, strict=False)) | kwargs
            tensors = {name: value for name, value in given.items() if isinstance(value, Tensor)}
            narrow = {name: tensor for name, tensor in tensors.items() if tensor.dtype in _NARROW}
            wide = {name: tensor.float() for name, tensor in narrow.items()}
            with torch.autocast(next(iter(tensors.values())).device.type, enabled=False):
                result = function(**given | wide)
            for name in narrow.keys() & set(written):
                narrow[name].copy_(wide[name])
            if narrow and isinstance(result, Tensor) and result.is_floating_point():
                return result.to(next(iter(narrow.values())).dtype)
            return result

        vars(call)["__signature__"] = Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names])
        REGISTERED[function.__name__] = call
        return call

    return decorate
