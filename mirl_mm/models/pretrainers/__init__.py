"""Ways to pre-train a plain Vision Transformer."""

from .base import Pretrainer
from .mae import MAE
from .masked_pretrainer import MaskedPretrainer
from .mirl import MIRL

__all__ = ["MAE", "MIRL", "MaskedPretrainer", "Pretrainer"]
