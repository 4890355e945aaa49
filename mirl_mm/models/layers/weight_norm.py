"""A linear layer whose weight is a direction times a length (Salimans and Kingma, "Weight Normalization", 2016)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: What PyTorch's parametrisation, which earlier versions used, called the two.
_EARLIER = {"parametrizations.weight.original0": "g", "parametrizations.weight.original1": "v"}


class WeightNormLinear(nn.Module):
    """``y = W x + b`` with ``W = g * v / |v|``, the norm taken over the outputs, and ``g`` frozen at 1.

    So the authors' code of MIRL has its ``decoder_pred`` (``weight_norm(..., dim=1)``). PyTorch's ``weight_norm`` gives
    every layer a class of its own, and each would be compiled anew. State dicts with its names load, too.

    Args:
        linear: Whose weight becomes ``v``, and whose bias is taken over.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        # In the order of PyTorch's parametrisation: optimisers' states in checkpoints go by it.
        self.bias = linear.bias
        self.g = nn.Parameter(torch.ones_like(linear.weight[:1]), requires_grad=False)
        self.v = nn.Parameter(linear.weight.detach())
        self.register_load_state_dict_pre_hook(_rename_on_load)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., in)`` -> ``(..., out)``."""
        return F.linear(x, torch._weight_norm(self.v, self.g, 1), self.bias)


def _meta_backward(grad: Tensor, v: Tensor, g: Tensor, norms: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    return torch.empty_like(v), torch.empty_like(g)


# PyTorch 2.9 has no shapes of this for meta tensors (FLOPs, memory) and compilation.
if not torch._C._dispatch_has_kernel_for_dispatch_key("aten::_weight_norm_interface_backward", "Meta"):
    _LIBRARY = torch.library.Library("aten", "IMPL")
    _LIBRARY.impl("_weight_norm_interface_backward", _meta_backward, "Meta")


def _rename_on_load(_: nn.Module, state_dict: dict[str, Tensor], prefix: str, *__: Any) -> None:
    for earlier, name in _EARLIER.items():
        if prefix + earlier in state_dict:
            state_dict[prefix + name] = state_dict.pop(prefix + earlier)
