"""bfloat16 for a training: ``optim_wrapper.type`` of its config, or ``--amp`` (``engine/training.py``), ask for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mirl_mm.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class Bf16OptimWrapper(OptimWrapper):
    """Runs the forward pass under bfloat16 autocast; weights, gradients and optimiser stay float32.

    bfloat16 has float32's range, so there is no gradient scaler. mmengine's ``AmpOptimWrapper`` refuses to run on a CPU
    and always carries a scaler. Arguments are those of mmengine's ``OptimWrapper``.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast on the model's device, inside mmengine's context, which skips DDP's synchronisation at need."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield
