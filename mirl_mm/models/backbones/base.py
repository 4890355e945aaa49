"""What a plain backbone is to the rest of the package: the methods that are asked for, and what most share."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from ..layers import Size, patch_grid
from .pretrained import FromPretrained

#: What each block is given beside tokens, by name; None: nothing.
Context = Sequence[Mapping[str, Any]] | None


@runtime_checkable
class Backbone(Protocol):
    """The methods by which a plain Vision Transformer is recognised, as a module or as a class.

    What they do, and which attributes go with them, is said in :class:`PlainBackbone`, which a backbone may inherit
    from, but need not.
    """

    def embed(self, images: Tensor, ids_keep: Tensor | None = None) -> Tensor:
        """Tokens that enter the first block."""

    def context(self, images: Tensor, ids_keep: Tensor | None = None) -> Context:
        """What blocks are given beside tokens."""

    def run_blocks(self, x: Tensor, start: int = 0, stop: int | None = None, context: Context = None) -> Tensor:
        """Some of the blocks."""

    def forward_tokens(self, images: Tensor) -> tuple[Tensor, ...]:
        """Tokens after chosen blocks."""

    def get_layer_depth(self, name: str, prefix: str = "") -> tuple[int, int]:
        """The layer to which a parameter belongs, and how many layers there are."""

    def no_weight_decay(self) -> set[str]:
        """Parameters without weight decay."""


def is_backbone(found: Any) -> bool:
    """Whether a module, or a class of modules, has a :class:`Backbone`'s methods."""
    if isinstance(found, type):
        return issubclass(found, nn.Module) and issubclass(found, Backbone)
    return isinstance(found, nn.Module) and isinstance(found, Backbone)


class PlainBackbone(FromPretrained):
    """A Vision Transformer whose blocks all have the same tokens.

    Attributes:
        depth: Number of blocks.
        embed_dims: Width C of the tokens.
        num_heads: Attention heads of a block.
        in_channels: Image channels.
        img_size: (H, W) of training.
        patch_size: Pixels (rows, columns) of a patch.
        map_stride: Pixels (rows, columns) of the image from one position of a map to the next.
        grid: Positions (h, w) of the map of an image of ``img_size``.
        out_indices: Blocks after which :meth:`forward_tokens` and :meth:`forward` give features.
        position_grid: Positions (h, w) for which absolute positions are stored.
        prefix_positions: Positions that are stored before those of the patches.
        pretrained_grid: Positions (h, w) of checkpoints, where they are not square.
        antialias: Whether positions are resampled in timm's way.
        num_prefix_tokens: Tokens before those of the patches: class token, registers.
        has_class_token: Whether the first of them is a class token.
        blocks: The blocks, which are called as modules: ``block(x, **context)``.
        norm: What follows the last block.
        on_maps: Whether blocks take maps ``(B, h, w, C)`` in place of sequences ``(B, N, C)``.
    """

    depth: int
    embed_dims: int
    num_heads: int
    in_channels: int
    img_size: Size
    patch_size: Size
    map_stride: Size
    grid: Size
    out_indices: tuple[int, ...]
    position_grid: Size
    prefix_positions: int
    pretrained_grid: Size | None
    antialias: bool = False
    num_prefix_tokens: int
    has_class_token: bool
    blocks: nn.ModuleList
    norm: nn.Module
    on_maps: bool = False

    @abstractmethod
    def embed(self, images: Tensor, ids_keep: Tensor | None = None) -> Tensor:
        """Tokens that enter the first block.

        Args:
            images: ``(B, in_channels, H, W)``, normalised.
            ids_keep: ``(B, K)`` indices of the visible patches; only these are embedded. Default: all, in order.

        Returns:
            ``(B, num_prefix_tokens + K, C)``.
        """

    @abstractmethod
    def get_layer_depth(self, name: str, prefix: str = "") -> tuple[int, int]:
        """The layer to which a parameter belongs, for layer-wise decay of the learning rate.

        Embeddings are layer 0, block i is layer i + 1, what follows the blocks is layer N + 1 (MAE
        ``util/lr_decay.py``, BEiT). The signature is mmpretrain's.

        Args:
            name: The parameter's name.
            prefix: What the name begins with before this module's own names, such as ``backbone.``.

        Returns:
            The layer, and the number of layers, N + 2.

        Raises:
            ValueError: For a name that has no layer.
        """

    @abstractmethod
    def no_weight_decay(self) -> set[str]:
        """Parameters without weight decay in fine-tuning besides 1-D ones (the name is timm's)."""

    def context(self, images: Tensor, ids_keep: Tensor | None = None) -> Context:
        """What blocks are given beside tokens, such as rotary positions; arguments as in :meth:`embed`.

        Returns:
            For each block what it is called with, by name; None: nothing.
        """
        return None

    def map_size(self, images: Tensor) -> Size:
        """Positions (h, w) of the maps of ``images`` ``(B, in_channels, H, W)``.

        Raises:
            ValueError: If the image is no multiple of ``map_stride``.
        """
        return patch_grid(images.shape[-2:], self.map_stride)

    def run_blocks(self, x: Tensor, start: int = 0, stop: int | None = None, context: Context = None) -> Tensor:
        """Blocks ``start`` to ``stop`` (exclusive; default: the last).

        Args:
            x: ``(B, N, C)``, or the map ``(B, h, w, C)``, if blocks take maps.
            start: First block.
            stop: Block before which to stop.
            context: Of :meth:`context`, for all blocks.

        Returns:
            As ``x``.
        """
        stop = self.depth if stop is None else stop
        for index in range(start, stop):
            x = self.blocks[index](x, **(context[index] if context else {}))
        return x

    def forward_tokens(self, images: Tensor) -> tuple[Tensor, ...]:
        """Tokens of normalised images ``(B, in_channels, H, W)`` after each of ``out_indices``.

        Returns:
            ``(B, num_prefix_tokens + h*w, C)`` each; that of the last block after ``norm``.
        """
        x, context = self.embed(images), self.context(images)
        if self.on_maps:
            x = x.unflatten(1, self.map_size(images))
        outs, done = [], 0
        for index in self.out_indices:
            x = self.run_blocks(x, done, index + 1, context)
            done = index + 1
            out = self.norm(x) if done == self.depth else x
            outs.append(out.flatten(1, 2) if self.on_maps else out)
        return tuple(outs)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """``(B, in_channels, H, W)`` -> a feature map ``(B, C, h, w)`` after each of ``out_indices``."""
        size = self.map_size(images)
        return tuple(
            tokens[:, self.num_prefix_tokens :].transpose(1, 2).unflatten(2, size)
            for tokens in self.forward_tokens(images)
        )
