"""Initialisation of MAE and MIRL."""

from torch import nn


def init_linear(module: nn.Module) -> None:
    """Xavier-uniform weight and zero bias, if ``module`` is a Linear; for ``module.apply``."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
