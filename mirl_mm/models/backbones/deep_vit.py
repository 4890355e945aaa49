"""DeepViT: one plain Vision Transformer of any depth for every task."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.layers import PatchEmbed
from torch import Tensor, nn

from mirl_mm.registry import MODELS

from ..layers import (
    Block,
    LayerNorm,
    MapBlock,
    Size,
    embed_patches,
    init_linear,
    patch_grid,
    resample_position,
    sincos_position,
    take_patches,
)
from .base import PlainBackbone
from .lora import add_adapters
from .presets import resolve_arch
from .settings import block_numbers, pair, resolve_windows
from .stored_positions import fit_positions


@MODELS.register_module()
class DeepViT(PlainBackbone):
    """Plain Vision Transformer, for pre-training and for transfer.

    The state dict has timm's and MAE's keys: ``cls_token``, ``pos_embed``, ``patch_embed.proj.*``,
    ``blocks.N.{norm1,attn.qkv,attn.proj,norm2,mlp.fc1,mlp.fc2}.*``, ``norm.*``; with relative positions detectron2's
    ``blocks.N.attn.{rel_pos_h,rel_pos_w}``.

    For dense prediction on large images it becomes ViTDet's backbone by ``class_token=False, window_size=14,
    use_rel_pos=True, pos_embed="learned", final_norm=False, img_size=(1024, 1024), pretrain_img_size=(224, 224)``.

    Args:
        arch: A preset (``vit-s``, ``vit-s-54``, ``vit-b``, ``vit-b-24``, ``vit-b-48``, ``vit-l``) or a dict with
            ``depth``, ``embed_dims``, ``num_heads`` and maybe ``mlp_ratio`` (4).
        img_size: (H, W) of training. Positions are stored for it; images of other sizes resample them at run time.
        patch_size: Pixels (rows, columns) of a patch, or one number for both.
        in_channels: Image channels.
        out_indices: Blocks after which :meth:`forward` gives a feature map; negative ones count from the end. Default:
            the last.
        pos_embed: ``"sincos"`` (fixed, as in MAE and MIRL) or ``"learned"``.
        drop_path_rate: Of the last block; grows linearly with depth from 0.
        final_norm: Whether the last block's output passes ``norm``. Without it there is no ``norm``.
        pretrained_grid: Patches (h, w) of checkpoints whose positions are to be resampled, where it is not square.
        class_token: Whether a class token goes with the patches. Without it, the checkpoint's is left out.
        window_size: Patches (rows, columns) of the windows within which blocks attend, or one number for both. Maps
            that they don't tile are padded. None: all blocks attend to the whole map.
        global_attn_indexes: Blocks that attend to the whole map all the same; negative ones count from the end.
            Default: the last of each quarter of the depth.
        use_rel_pos: Add decomposed relative positions to attention, zero at first: of windows for ``window_size``, of
            the map for ``img_size``.
        pretrain_img_size: (H, W) for which the absolute positions are stored, where it is not ``img_size``. ViTDet
            trains them at the size of pre-training and resamples them in every step.
        frozen: Train nothing of it: no gradients, and evaluation mode whatever the model around it is in.
        lora: Low-rank adapters, which alone are trained: arguments of peft's ``LoraConfig``, such as ``dict(r=8,
            lora_alpha=16)``; see :func:`.lora.add_adapters`.
        init_cfg: mmengine's, e.g. ``dict(type="Pretrained", checkpoint=..., prefix="backbone.")``.

    Raises:
        ValueError: For an unknown arch, an image size that is no multiple of the patch size, a block's index outside
            the depth, a drop path rate outside [0, 1), a window of no patches, or windows or relative positions
            together with a class token.
    """

    #: Stored positions begin with the class token's, also where there is no class token: one file loads in every task.
    prefix_positions = 1

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
        pretrained_grid: Size | None = None,
        class_token: bool = True,
        window_size: int | Size | None = None,
        global_attn_indexes: Sequence[int] | None = None,
        use_rel_pos: bool = False,
        pretrain_img_size: int | Size | None = None,
        frozen: bool = False,
        lora: Mapping[str, Any] | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        settings = resolve_arch(arch)
        self.depth: int = settings["depth"]
        self.embed_dims: int = settings["embed_dims"]
        self.num_heads: int = settings["num_heads"]
        self.mlp_ratio: float = settings["mlp_ratio"]
        self.in_channels = in_channels
        self.patch_size = self.map_stride = pair(patch_size, "patch_size")
        self.img_size = pair(img_size, "img_size")
        self.grid = patch_grid(self.img_size, self.patch_size)
        self.out_indices = block_numbers(out_indices, self.depth, "out_indices")
        self.pretrained_grid = None if pretrained_grid is None else pair(pretrained_grid, "pretrained_grid")
        pretrain_size = self.img_size if pretrain_img_size is None else pair(pretrain_img_size, "pretrain_img_size")
        self.position_grid = patch_grid(pretrain_size, self.patch_size)
        self.has_class_token = class_token
        self.num_prefix_tokens = 1 if class_token else 0
        self.window_size, self.global_attn_indexes = resolve_windows(window_size, global_attn_indexes, self.depth)
        self.use_rel_pos = use_rel_pos
        self.on_maps = self.window_size is not None or use_rel_pos
        if self.on_maps and class_token:
            raise ValueError("windows and relative positions have no place for a class token: set class_token=False")
        if not 0 <= drop_path_rate < 1:
            raise ValueError(f"drop_path_rate must lie in [0, 1), got {drop_path_rate}")

        self.patch_embed = PatchEmbed(
            img_size=self.img_size,
            patch_size=self.patch_size,  # type: ignore[arg-type]  # timm takes a pair too
            in_chans=in_channels,
            embed_dim=self.embed_dims,
            strict_img_size=False,
        )
        self.cls_token = nn.Parameter(torch.zeros(1, 1, self.embed_dims)) if class_token else None
        self.pos_embed = self._make_position(pos_embed)
        rates = torch.linspace(0, drop_path_rate, self.depth, device="cpu").tolist()  # also when built on meta
        self.blocks = nn.ModuleList(self._make_block(index, rate) for index, rate in enumerate(rates))
        self.norm = LayerNorm(self.embed_dims) if final_norm else nn.Identity()
        self._init_own_weights()
        self.register_load_state_dict_pre_hook(fit_positions)
        self.frozen = frozen
        if frozen:
            self.requires_grad_(False)
        add_adapters(self, lora, frozen)

    @property
    def arch(self) -> dict[str, Any]:
        """What :func:`~.presets.resolve_arch` gives for the argument."""
        return {name: getattr(self, name) for name in ("depth", "embed_dims", "num_heads", "mlp_ratio")}

    def train(self, mode: bool = True) -> "DeepViT":
        """Switch between training and evaluation; a frozen backbone stays in evaluation."""
        return super().train(mode and not self.frozen)

    @classmethod
    def map_facts(cls, settings: Mapping[str, Any]) -> tuple[int, Size]:
        """Width C of the maps and their stride (rows, columns) in pixels, by the settings."""
        width = resolve_arch(settings.get("arch", "vit-b"))["embed_dims"]
        return width, pair(settings.get("patch_size", 16), "patch_size")

    def _make_block(self, index: int, drop_path_rate: float) -> Block:
        if not self.on_maps:
            return Block(self.embed_dims, self.num_heads, self.mlp_ratio, drop_path_rate)
        window = None if index in self.global_attn_indexes else self.window_size
        rel_pos_size = (window or self.grid) if self.use_rel_pos else None
        sizes = {"window_size": window, "rel_pos_size": rel_pos_size}
        return MapBlock(self.embed_dims, self.num_heads, self.mlp_ratio, drop_path_rate, **sizes)

    def _make_position(self, kind: str) -> nn.Parameter:
        if kind == "sincos":
            return nn.Parameter(sincos_position(self.embed_dims, self.position_grid), requires_grad=False)
        if kind == "learned":
            position = torch.empty(1, self.prefix_positions + math.prod(self.position_grid), self.embed_dims)
            return nn.Parameter(nn.init.trunc_normal_(position, std=0.02))
        raise ValueError(f"pos_embed must be 'sincos' or 'learned', got {kind!r}")

    def _init_own_weights(self) -> None:
        """Xavier-uniform linears (the patch embedding as one), zero biases, N(0, 0.02) class token (MAE and MIRL)."""
        self.apply(init_linear)
        projection: Any = self.patch_embed.proj
        nn.init.xavier_uniform_(projection.weight.view(self.embed_dims, -1))
        nn.init.zeros_(projection.bias)
        if self.cls_token is not None:
            nn.init.normal_(self.cls_token, std=0.02)

    def positions(self, grid: Size) -> Tensor:
        """``(1, 1 + h*w, C)`` positions for a grid, the class token's first; resampled if it is not the stored one."""
        return resample_position(self.pos_embed, self.position_grid, grid, self.prefix_positions)

    def embed(self, images: Tensor, ids_keep: Tensor | None = None) -> Tensor:
        """See :class:`PlainBackbone` (method: x⁰); the class token comes first, if there is one.

        Raises:
            ValueError: If the image is no multiple of the patch size.
        """
        position = self.positions(patch_grid(images.shape[-2:], self.patch_size))
        prefix, patches = position.split([self.prefix_positions, position.shape[1] - self.prefix_positions], dim=1)
        if ids_keep is None:
            x = self.patch_embed(images) + patches
        else:
            x = embed_patches(take_patches(images, ids_keep, self.patch_size), self.patch_embed) + patches[0][ids_keep]
        if self.cls_token is None:
            return x
        return torch.cat([(self.cls_token + prefix).expand(x.shape[0], -1, -1), x], dim=1)

    def get_layer_depth(self, name: str, prefix: str = "") -> tuple[int, int]:
        """See :class:`PlainBackbone`; what has no layer is a ``ValueError``."""
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
        """Positions and the class token."""
        return {"cls_token", "pos_embed"}
