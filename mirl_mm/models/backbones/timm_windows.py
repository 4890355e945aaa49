"""Attention within windows for timm's blocks, whose weights and names stay as they are."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..layers import Size
from ..layers.window import from_windows, pad_map, to_windows, window_padding

#: By this name a block is given (h, w) of the map whose patches come behind the prefix tokens.
MAP_SIZE = "map_size"


class Windows:
    """Lets a block of sequences, prefix tokens first and then the patches of a map, attend within windows.

    Each window has its patches and all prefix tokens; what the windows make of a prefix token is averaged. So one
    window that covers the map is attention to the whole. Maps that windows don't tile are padded with zeros, below and
    to the right, after the norm, as in ViTDet (and DeepViT): those places are attended to.

    Hooks do it, around the block's ``attn``, so no weight gets another name.

    Args:
        block: With an ``attn`` that has no positions of its own. It is called with :data:`MAP_SIZE`.
        window: (rows, columns) of a window.
        num_prefix: Prefix tokens P.
    """

    def __init__(self, block: Any, window: Size, num_prefix: int) -> None:
        self.window = window
        self.num_prefix = num_prefix
        self.size: Size = (0, 0)
        block.attn.window_size = window  # blocks of a kind are compiled as one
        block.register_forward_pre_hook(self._take_size, with_kwargs=True)
        block.attn.register_forward_pre_hook(self._split)
        block.attn.register_forward_hook(self._merge)

    def _take_size(self, _: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Each call brings its size, also the one that recomputes activations; one without has that of the last."""
        self.size = given.get(MAP_SIZE, self.size)
        return args, {name: value for name, value in given.items() if name != MAP_SIZE}

    def _split(self, _: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """``(B, P + h*w, C)`` -> ``(B * n * m, P + rows*columns, C)``."""
        x: Tensor = args[0]
        prefix, patches = x[:, : self.num_prefix], x[:, self.num_prefix :].unflatten(1, self.size)
        windows = to_windows(pad_map(patches, window_padding(self.size, self.window)), self.window)
        count = windows.shape[1] * windows.shape[2]
        prefix = prefix[:, None].expand(-1, count, -1, -1).flatten(0, 1)
        return torch.cat([prefix, windows.flatten(3, 4).flatten(0, 2)], dim=1), *args[1:]

    def _merge(self, _: nn.Module, args: tuple[Any, ...], out: Tensor) -> Tensor:
        """The way back."""
        rows, columns = (-(-side // step) for side, step in zip(self.size, self.window, strict=True))
        prefix = out[:, : self.num_prefix].unflatten(0, (-1, rows * columns)).mean(dim=1)
        patches = out[:, self.num_prefix :].unflatten(1, self.window).unflatten(0, (-1, rows, columns))
        whole = from_windows(patches)[:, : self.size[0], : self.size[1]]
        return torch.cat([prefix, whole.flatten(1, 2)], dim=1)


def check_windows(blocks: Iterable[nn.Module], rope: Any, model_name: str) -> None:
    """Refuse windows for a model that can't have them.

    Raises:
        ValueError: Then.
    """
    lacks = next((type(block).__name__ for block in blocks if not hasattr(block, "attn")), None)
    if rope is not None:
        why = "rotary positions, which are those of the whole map"
    elif lacks is not None:
        why = f"no attention of their own that could be put into windows ({lacks})"
    else:
        return
    raise ValueError(
        f"window_size: the blocks of {model_name} have {why}. Leave window_size out: all blocks attend to the whole map"
    )
