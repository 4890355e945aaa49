"""DeepViT: one plain Vision Transformer of any depth for every task."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from timm.layers import PatchEmbed
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mirl_mm.registry import MODELS

from ..layers import (
    Block,
    LayerNorm,
    Size,
    embed_patches,
    init_linear,
    patch_grid,
    resample_position,
    sincos_position,
    take_patches,
)
from .presets import resolve_arch


@MODELS.register_module()
class DeepViT(BaseModule):
    """Plain Vision Transformer with a class token, for pre-training and for transfer.

    The state dict has timm's and MAE's keys: ``cls_token``, ``pos_embed``, ``patch_embed.proj.*``,
    ``blocks.N.{norm1,attn.qkv,attn.proj,norm2,mlp.fc1,mlp.fc2}.*``, ``norm.*``.

    Args:
        arch: A preset (``vit-s``, ``vit-s-54``, ``vit-b``, ``vit-b-24``, ``vit-b-48``, ``vit-l``) or a dict with
            ``depth``, ``embed_dims``, ``num_heads`` and maybe ``mlp_ratio`` (4).
        img_size: (H, W) for which the positions are stored; other sizes are resampled at run time.
        patch_size: Pixels (rows, columns) of a patch, or one number for both.
        in_channels: Image channels.
        out_indices: Blocks after which :meth:`forward` gives a feature map; negative ones count from the end. Default:
            the last.
        pos_embed: ``"sincos"`` (fixed, as in MAE and MIRL) or ``"learned"``.
        drop_path_rate: Of the last block; grows linearly with depth from 0.
        final_norm: Whether the last block's output passes ``norm``. Without it there is no ``norm``.
        with_cp: Recompute each block's activations in the backward pass: a second forward pass buys memory for one
            block's activations at a time.
        compile_blocks: Run the blocks through ``torch.compile``. All blocks share one compiled graph, so depth costs no
            compile time.
        pretrained_grid: Patches (h, w) of checkpoints whose positions are to be resampled, where it is not square.
        init_cfg: mmengine's, e.g. ``dict(type="Pretrained", checkpoint=..., prefix="backbone.")``.

    Raises:
        ValueError: For an unknown arch, an image size that is no multiple of the patch size, an out index outside the
            depth, or a drop path rate outside [0, 1).
    """

    num_prefix_tokens = 1

    def __init__(
        self,
        arch: str | Mapping[str, Any] = "vit-b",
        img_size: Size = (224, 224),
        patch_size: int | Size = 16,
        in_channels: int = 3,
        out_indices: Sequence[int] | int = -1,
        pos_embed: str = "sincos",
        drop_path_rate: float = 0.0,
        final_norm: bool = True,
        with_cp: bool = False,
        compile_blocks: bool = False,
        pretrained_grid: Size | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        settings = resolve_arch(arch)
        self.depth: int = settings["depth"]
        self.embed_dims: int = settings["embed_dims"]
        self.num_heads: int = settings["num_heads"]
        self.patch_size = _pair(patch_size, "patch_size")
        self.img_size = _pair(img_size, "img_size")
        self.grid = patch_grid(self.img_size, self.patch_size)
        self.out_indices = self._resolve_out_indices(out_indices)
        self.with_cp = with_cp
        self.pretrained_grid = None if pretrained_grid is None else _pair(pretrained_grid, "pretrained_grid")
        if not 0 <= drop_path_rate < 1:
            raise ValueError(f"drop_path_rate must lie in [0, 1), got {drop_path_rate}")

        self.patch_embed = PatchEmbed(
            img_size=self.img_size,
            patch_size=self.patch_size,  # type: ignore[arg-type]  # timm takes a pair too
            in_chans=in_channels,
            embed_dim=self.embed_dims,
            strict_img_size=False,
        )
        self.cls_token = nn.Parameter(torch.zeros(1, 1, self.embed_dims))
        self.pos_embed = self._make_position(pos_embed)
        rates = torch.linspace(0, drop_path_rate, self.depth, device="cpu").tolist()  # also when built on meta
        self.blocks = nn.ModuleList(
            Block(self.embed_dims, self.num_heads, settings["mlp_ratio"], rate) for rate in rates
        )
        self.norm = LayerNorm(self.embed_dims) if final_norm else nn.Identity()
        self._init_own_weights()
        self.register_load_state_dict_pre_hook(_resample_on_load)
        if compile_blocks:
            for block in self.blocks:
                block.compile()

    def _resolve_out_indices(self, out_indices: Sequence[int] | int) -> tuple[int, ...]:
        given = (out_indices,) if isinstance(out_indices, int) else tuple(out_indices)
        resolved = tuple(i + self.depth if i < 0 else i for i in given)
        if not resolved or not all(0 <= i < self.depth for i in resolved) or sorted(set(resolved)) != list(resolved):
            raise ValueError(f"out_indices must rise within the {self.depth} blocks (0..{self.depth - 1}), got {given}")
        return resolved

    def _make_position(self, kind: str) -> nn.Parameter:
        if kind == "sincos":
            return nn.Parameter(sincos_position(self.embed_dims, self.grid), requires_grad=False)
        if kind == "learned":
            position = torch.empty(1, self.num_prefix_tokens + math.prod(self.grid), self.embed_dims)
            return nn.Parameter(nn.init.trunc_normal_(position, std=0.02))
        raise ValueError(f"pos_embed must be 'sincos' or 'learned', got {kind!r}")

    def _init_own_weights(self) -> None:
        """Xavier-uniform linears (the patch embedding as one), zero biases, N(0, 0.02) class token (MAE and MIRL)."""
        self.apply(init_linear)
        projection: Any = self.patch_embed.proj
        nn.init.xavier_uniform_(projection.weight.view(self.embed_dims, -1))
        nn.init.zeros_(projection.bias)
        nn.init.normal_(self.cls_token, std=0.02)

    def positions(self, grid: Size) -> Tensor:
        """``(1, 1 + h*w, C)`` positions for a grid, resampled if it is not the stored one."""
        return resample_position(self.pos_embed, self.grid, grid, self.num_prefix_tokens)

    def embed(self, images: Tensor, ids_keep: Tensor | None = None) -> Tensor:
        """Tokens that enter the first block (method: x⁰).

        Args:
            images: ``(B, 3, H, W)``, normalised.
            ids_keep: ``(B, K)`` numbers of the visible patches; only these are embedded. Default: all, in order.

        Returns:
            ``(B, 1 + K, C)``, the class token first.

        Raises:
            ValueError: If the image is no multiple of the patch size.
        """
        position = self.positions(patch_grid(images.shape[-2:], self.patch_size))
        prefix, patches = position[:, : self.num_prefix_tokens], position[:, self.num_prefix_tokens :]
        if ids_keep is None:
            x = self.patch_embed(images) + patches
        else:
            x = embed_patches(take_patches(images, ids_keep, self.patch_size), self.patch_embed) + patches[0][ids_keep]
        return torch.cat([(self.cls_token + prefix).expand(x.shape[0], -1, -1), x], dim=1)

    def run_blocks(self, x: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Blocks ``start`` to ``stop`` (exclusive; default: the last): ``(B, N, C)`` -> ``(B, N, C)``."""
        for block in self.blocks[start:stop]:
            recompute = self.with_cp and self.training and x.requires_grad
            x = checkpoint(block, x, use_reentrant=False) if recompute else block(x)
        return x

    def forward_tokens(self, images: Tensor) -> tuple[Tensor, ...]:
        """Tokens after each of ``out_indices``.

        Args:
            images: ``(B, 3, H, W)``, normalised.

        Returns:
            ``(B, 1 + h*w, C)`` each, class token first; that of the last block after ``norm``.
        """
        x = self.embed(images)
        outs, done = [], 0
        for index in self.out_indices:
            x = self.run_blocks(x, done, index + 1)
            done = index + 1
            outs.append(self.norm(x) if done == self.depth else x)
        return tuple(outs)

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
            ValueError: For a name that has no place.
        """
        root, _, rest = name.removeprefix(prefix).partition(".")
        if name.startswith(prefix):
            if root in ("cls_token", "pos_embed", "patch_embed"):
                return 0, self.depth + 2
            if root == "blocks":
                return int(rest.partition(".")[0]) + 1, self.depth + 2
            if root == "norm":
                return self.depth + 1, self.depth + 2
        raise ValueError(f"{name!r} is no parameter of {type(self).__name__} that has a layer")

    def no_weight_decay(self) -> set[str]:
        """Parameters without weight decay in fine-tuning besides 1-D ones (the name is timm's)."""
        return {"cls_token", "pos_embed"}

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """``(B, 3, H, W)`` -> a feature map ``(B, C, H/p, W/p)`` after each of ``out_indices``."""
        grid = patch_grid(images.shape[-2:], self.patch_size)
        return tuple(
            tokens[:, self.num_prefix_tokens :].transpose(1, 2).unflatten(2, grid)
            for tokens in self.forward_tokens(images)
        )


def _pair(value: int | Sequence[int], name: str) -> Size:
    """(rows, columns) from one number or two."""
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(n, int) and n > 0 for n in pair):
        raise ValueError(f"{name} must be one or two positive whole numbers (rows, columns), got {value!r}")
    return pair


def _resample_on_load(model: DeepViT, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Fit a checkpoint's positions to the model's grid (a load_state_dict pre-hook).

    The checkpoint's grid is the first that has as many patches: ``model.pretrained_grid`` where given, the model's own,
    a square one.
    """
    key = f"{prefix}pos_embed"
    if key not in state_dict:
        return
    patches = state_dict[key].shape[1] - model.num_prefix_tokens
    side = math.isqrt(patches)
    candidates = (model.pretrained_grid, model.grid, (side, side))
    old = next((grid for grid in candidates if grid and math.prod(grid) == patches), None)
    if old is None:
        raise ValueError(
            f"{key} of the checkpoint has {patches} patches, which is no square grid: set the backbone's "
            "pretrained_grid=(rows, columns) to the grid with which it was trained"
        )
    state_dict[key] = resample_position(state_dict[key], old, model.grid, model.num_prefix_tokens)
