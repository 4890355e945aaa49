"""Ways to pre-train a plain Vision Transformer."""

from .base import MaskedPretrainer
from .mae import MAE
from .mirl import MIRL

__all__ = ["MAE", "MIRL", "MaskedPretrainer"]
