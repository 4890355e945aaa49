"""Mixed precision that needs no loss scale and runs on the CPU, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import nn

from mirl_mm.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class Bf16OptimWrapper(OptimWrapper):
    """Runs the forward pass under bfloat16 autocast; weights, gradients and optimiser stay float32.

    bfloat16 has float32's range, so there is no gradient scaler. mmengine's ``AmpOptimWrapper`` refuses to run on a CPU
    and always carries a scaler.

    Args:
        **kwargs: ``optimizer``, ``accumulative_counts``, ``clip_grad`` of mmengine's ``OptimWrapper``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.device_type = get_device()

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast inside mmengine's context, which skips DDP's synchronisation while gradients accumulate."""
        with super().optim_context(model), torch.autocast(self.device_type, dtype=torch.bfloat16):
            yield
