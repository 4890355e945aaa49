"""timm's plain Vision Transformers wherever a DeepViT can be: DINOv2, DINOv3, CLIP and the others."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from timm.models import Eva
from torch import Tensor, nn

from mirl_mm.registry import MODELS

from ..layers import Size, embed_patches, patch_grid, resample_position, take_patches
from . import timm_call, timm_originals
from .base import Context, PlainBackbone
from .lora import add_adapters
from .settings import block_numbers, pair, resolve_windows
from .stored_positions import fit_positions
from .timm_source import create_plain
from .timm_windows import MAP_SIZE, Windows, check_windows

#: What ``init_cfg`` names to have timm fetch its own weights.
HUB = "timm"
#: Parts of timm's models that come after the tokens.
_HEADS = ("head", "head_dist", "head_drop", "fc_norm", "attn_pool", "patch_drop")
#: The prefix tokens, in timm's order.
_PREFIX = ("cls_token", "dist_token", "reg_token")


@MODELS.register_module()
class TimmViT(PlainBackbone):
    """A plain Vision Transformer of timm, with whatever belongs to it.

    Which may be register tokens, layer scale, rotary positions, SwiGLU, norms of queries and keys, a norm before the
    blocks. Names in the state dict are timm's, so timm's files load as they are, and exported ones are timm's.

    Images of any (H, W) are taken. Sides that are no multiples of ``map_stride`` are padded below and to the right,
    with zeros after normalisation (timm's ``dynamic_img_pad``). Absolute positions are resampled, bicubic and
    antialiased, as in timm; rotary ones are made for the size.

    Args:
        model_name: In timm, e.g. ``vit_base_patch14_dinov2``, with or without the tag of its weights.
        img_size: (H, W) of training, for which absolute positions are stored. Default: timm's of the model.
        timm_kwargs: Further arguments of ``timm.create_model``, e.g. ``dict(reg_tokens=4)``.
        in_channels: Image channels.
        out_indices: Blocks after which :meth:`forward` gives a feature map; negative ones count from the end. Default:
            the last.
        drop_path_rate: Of the last block; grows linearly with depth from 0.
        final_norm: Whether the last block's output passes the model's ``norm``. A model that timm scores by the mean of
            its tokens may have none (timm's ``fc_norm``).
        frozen_stages: -1: all is trained; 0: embeddings are frozen; n: and the first n blocks; the depth: everything.
            What is frozen stays in evaluation mode.
        frozen: Freeze everything, as ``frozen_stages`` of the depth does.
        map_stride: Pixels (rows, columns) of the image from one position of a map to the next, or one number for both.
            Default: the patch size. Another one resizes images (bilinear, antialiased) before they are cut into
            patches: with patches of 14 and a stride of 16, an image of 1024 x 1024 is seen as one of 896 x 896 and
            gives the map of 64 x 64 that pyramids, anchors and heads on regions are made for. To pad instead would
            leave stride 14, and levels of 3.5, 7, ... pixels, for which they are not made.
        window_size: Patches (rows, columns) of the windows within which blocks attend, or one number for both; each
            window has all prefix tokens, too (:class:`~.timm_windows.Windows`). None: all blocks attend to the whole
            map. Models with rotary positions have no windows.
        global_attn_indexes: As of ``DeepViT``.
        pretrained_grid: Patches (h, w) of checkpoints whose positions are to be resampled, where it is not square.
        lora: Low-rank adapters, which alone are trained: arguments of peft's ``LoraConfig``, such as ``dict(r=8,
            lora_alpha=16)``; see :func:`.lora.add_adapters`.
        init_cfg: mmengine's: ``dict(type="Pretrained", checkpoint=FILE)``, or ``checkpoint="timm"`` to have timm fetch
            the weights of ``model_name`` from its hub, or take them from its cache.

    Raises:
        ValueError: For an unknown name, with suggestions; for a model that is no plain Vision Transformer, such as
            Swin; for arguments that timm refuses or that belong here; for a block's index outside the depth; for
            windows of a model that can't have them.
    """

    antialias = True
    from_original = timm_originals.from_original
    timm_call = timm_call.timm_call

    def __init__(
        self,
        model_name: str,
        img_size: int | Size | None = None,
        timm_kwargs: Mapping[str, Any] | None = None,
        in_channels: int = 3,
        out_indices: Sequence[int] | int = -1,
        drop_path_rate: float = 0.0,
        final_norm: bool = True,
        frozen_stages: int = -1,
        frozen: bool = False,
        map_stride: int | Size | None = None,
        window_size: int | Size | None = None,
        global_attn_indexes: Sequence[int] | None = None,
        pretrained_grid: Size | None = None,
        lora: Mapping[str, Any] | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not 0 <= drop_path_rate < 1:
            raise ValueError(f"drop_path_rate must lie in [0, 1), got {drop_path_rate}")
        self.model_name = model_name
        self.timm_kwargs = dict(timm_kwargs or {})
        self.in_channels = in_channels
        vit = create_plain(model_name, self.timm_kwargs, in_chans=in_channels, drop_path_rate=drop_path_rate)
        self.depth = len(vit.blocks)
        self.embed_dims = vit.embed_dim
        self.num_heads = next(part.num_heads for part in vit.blocks[0].modules() if hasattr(part, "num_heads"))
        self.num_prefix_tokens = vit.num_prefix_tokens
        self.has_class_token = vit.cls_token is not None
        self.patch_size = pair(vit.patch_embed.patch_size, "patch_size")
        self.map_stride = self.patch_size if map_stride is None else pair(map_stride, "map_stride")
        self.img_size = pair(vit.patch_embed.img_size if img_size is None else img_size, "img_size")
        self.grid = self.position_grid = self._places(self.img_size)
        self.pretrained_grid = None if pretrained_grid is None else pair(pretrained_grid, "pretrained_grid")
        self.out_indices = block_numbers(out_indices, self.depth, "out_indices")
        #: Positions that belong to prefix tokens; some models have none for them.
        self.prefix_positions = 0 if getattr(vit, "no_embed_class", False) else vit.num_prefix_tokens
        #: Epsilon of the norm after the blocks, which a classifier's head takes over with the norm.
        self.norm_eps: float = next((norm.eps for norm in (vit.norm, vit.fc_norm) if hasattr(norm, "eps")), 1e-6)
        self.is_eva = isinstance(vit, Eva)
        self._adopt(vit, final_norm)
        self.window_size, self.global_attn_indexes = resolve_windows(window_size, global_attn_indexes, self.depth)
        if self.window_size is not None:
            check_windows(self.blocks, self.rope, model_name)
            for index, block in enumerate(self.blocks):
                if index not in self.global_attn_indexes:
                    Windows(block, self.window_size, self.num_prefix_tokens)
        self._plain_names = set(vit.no_weight_decay())
        self._stem = re.compile(vit.group_matcher()["stem"])
        self.frozen_stages = self.depth if frozen else frozen_stages
        self._freeze()
        add_adapters(self, lora, self.frozen_stages >= 0)
        self.train()
        self.register_load_state_dict_pre_hook(fit_positions)

    @classmethod
    def map_facts(cls, settings: Mapping[str, Any]) -> tuple[int, Size]:
        """Width C of the maps and their stride (rows, columns) in pixels, by the settings."""
        with torch.device("meta"):
            vit = create_plain(settings["model_name"], settings.get("timm_kwargs") or {})
        stride = settings.get("map_stride")
        return vit.embed_dim, pair(vit.patch_embed.patch_size if stride is None else stride, "map_stride")

    def _adopt(self, vit: Any, final_norm: bool) -> None:
        """Take over the model's parts under their names."""
        self.rope: Any = None
        self.pos_embed: nn.Parameter | None
        self.norm_pre: nn.Module = nn.Identity()
        self.rope_mixed = getattr(vit, "rope_mixed", False)
        for name in (*_PREFIX, "pos_embed"):
            self.register_parameter(name, getattr(vit, name, None))
        for name, part in vit.named_children():
            if name not in _HEADS:
                setattr(self, name, nn.ModuleList(part) if name == "blocks" else part)
        if not final_norm:
            self.norm = nn.Identity()
        stored = self.prefix_positions + self.grid[0] * self.grid[1]
        if self.pos_embed is not None and self.pos_embed.shape[1] != stored:
            position = torch.empty(1, stored, self.embed_dims)
            self.pos_embed = nn.Parameter(nn.init.trunc_normal_(position, std=0.02))  # timm's, for our size

    def _freeze(self) -> None:
        if not -1 <= self.frozen_stages <= self.depth:
            raise ValueError(
                f"frozen_stages must lie between -1 (none) and the {self.depth} blocks, got {self.frozen_stages}"
            )
        for name, parameter in self.named_parameters():
            if self.get_layer_depth(name)[0] <= self.frozen_stages or self.frozen_stages == self.depth:
                parameter.requires_grad_(False)

    def train(self, mode: bool = True) -> "TimmViT":
        """Switch between training and evaluation; what is frozen stays in evaluation."""
        super().train(mode and self.frozen_stages < self.depth)
        if mode and self.frozen_stages >= 0:
            for part in (self.patch_embed, self.pos_drop, self.norm_pre, *self.blocks[: self.frozen_stages]):
                part.eval()
        return self

    def _places(self, img_size: Sequence[int]) -> Size:
        rows, columns = (-(-side // step) for side, step in zip(img_size, self.map_stride, strict=True))
        return rows, columns

    def map_size(self, images: Tensor) -> Size:
        """Positions (h, w) of the maps of ``images`` ``(B, in_channels, H, W)`` of any size."""
        return self._places(images.shape[-2:])

    def fit(self, images: Tensor) -> Tensor:
        """Images of whole patches, one for each position of the map: padded, and resized as ``map_stride`` says."""
        rows, columns = self.map_size(images)
        height, width = rows * self.map_stride[0], columns * self.map_stride[1]
        if images.shape[-2:] != (height, width):
            images = F.pad(images, (0, width - images.shape[-1], 0, height - images.shape[-2]))
        if self.map_stride == self.patch_size:
            return images
        size = (rows * self.patch_size[0], columns * self.patch_size[1])
        return F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)

    def embed(self, images: Tensor, ids_keep: Tensor | None = None) -> Tensor:
        """See :class:`PlainBackbone`; with timm's norm before the blocks where the model has it."""
        images = self.fit(images)
        grid = patch_grid(images.shape[-2:], self.patch_size)
        if ids_keep is None:
            x = self.patch_embed.proj(images).flatten(2).transpose(1, 2)
        else:
            x = embed_patches(take_patches(images, ids_keep, self.patch_size), self.patch_embed)
        x = self.patch_embed.norm(x)
        tokens = [token for name in _PREFIX if (token := getattr(self, name)) is not None]
        prefix = torch.cat(tokens, dim=1) if tokens else x.new_empty(1, 0, self.embed_dims)
        if self.pos_embed is not None:
            number = self.prefix_positions
            position = resample_position(self.pos_embed, self.position_grid, grid, number, antialias=True)
            x = x + (position[:, number:] if ids_keep is None else position[0, number:][ids_keep])
            if number:
                prefix = prefix + position[:, :number]
        x = torch.cat([prefix.expand(x.shape[0], -1, -1).to(x.dtype), x], dim=1)
        return self.norm_pre(self.pos_drop(x))

    def context(self, images: Tensor, ids_keep: Tensor | None = None) -> Context:
        """Rotary positions of the patches, under the name ``rope``, or the map's size for windows; None for neither."""
        if self.window_size is not None:
            size = {MAP_SIZE: self.map_size(images)}
            return [{} if index in self.global_attn_indexes else size for index in range(self.depth)]
        if self.rope is None:
            return None
        rope = self.rope.get_embed(shape=list(self.map_size(images)))  # (L, D), or (depth, heads, L, D) if mixed
        if ids_keep is not None:  # each image has its own: (B, 1, K, D), or for each block (B, heads, K, D)
            rope = rope[:, :, ids_keep].transpose(1, 2) if self.rope_mixed else rope[ids_keep][:, None]
        return [{"rope": rope[index] if self.rope_mixed else rope} for index in range(self.depth)]

    def get_layer_depth(self, name: str, prefix: str = "") -> tuple[int, int]:
        """See :class:`PlainBackbone`.

        What belongs to the embeddings is said by timm's ``group_matcher`` of the model. Where timm counts the last norm
        with the last block, it follows it here, as in MAE and BEiT.
        """
        own = name.removeprefix(prefix)
        root, _, rest = own.partition(".")
        if not name.startswith(prefix) or root not in {*self._parameters, *self._modules}:
            raise ValueError(f"{name!r} is no parameter of {type(self).__name__} that has a layer")
        if self._stem.match(own):
            return 0, self.depth + 2
        return int(rest.partition(".")[0]) + 1 if root == "blocks" else self.depth + 1, self.depth + 2

    def no_weight_decay(self) -> set[str]:
        """Positions and prefix tokens, as timm says of the model."""
        return self._plain_names

    def load_pretrained(self, checkpoint: str, prefix: str | None = None) -> None:
        """Load a file, or timm's own weights for :data:`HUB`.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it can't be read or is of another model, or if timm can't get its weights.
        """
        if checkpoint != HUB:
            super().load_pretrained(checkpoint, prefix)
            return
        try:
            vit = create_plain(self.model_name, self.timm_kwargs, in_chans=self.in_channels, pretrained=True)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"timm could not get its weights of {self.model_name} ({error}): without a network, give a file "
                "(--pretrained FILE)"
            ) from error
        own = self.state_dict().keys()
        self.load_state_dict({name: value for name, value in vit.state_dict().items() if name in own}, strict=False)
        tag = vit.pretrained_cfg.get("tag")
        print_log(f"TimmViT: timm's weights of {self.model_name}{f', {tag}' if tag else ''}", logger="current")
