"""ViTDet's simple feature pyramid: all levels from the one last map of a plain backbone."""

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from mirl_mm.registry import MODELS

#: For ``norm_cfg`` of mmdet's heads: over the channels of maps, where mmcv's "LN" is over the last axis.
MODELS.register_module("LN2d", module=LayerNorm2d)

#: ``norm_cfg["type"]`` -> layer. mmcv's names, which its own registry has only where mmcv is installed.
_NORMS = {"LN2d": LayerNorm2d, "BN": nn.BatchNorm2d, "SyncBN": nn.SyncBatchNorm}


@MODELS.register_module()
class SimpleFPN(BaseModule):
    """Simple feature pyramid (Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection", 3).

    The map is brought to each scale by transposed convolutions or pooling, then passes a 1 x 1 and a 3 x 3 convolution,
    each without bias and followed by a LayerNorm over channels (eps 1e-6). Further levels take every second position of
    the one before. The interface is that of mmdet's necks.

    Args:
        in_channels: Channels C of the backbone's map.
        out_channels: Channels of every level.
        scales: Size of each level over that of the map: 4, 2, 1 or 0.5, falling. With patches of 16 pixels, 4 means
            stride 4.
        num_outs: Levels in all; those beyond ``scales`` are the further ones.
        norm_cfg: Of the norm after each convolution that makes a level, as in mmdet's necks. Default: the paper's
            LayerNorm. In a training of minutes ``dict(type="BN")`` learns far faster: it takes away what all positions
            have in common, which in a plain ViT's last map is most of it (docs/results.md).
        init_cfg: mmengine's.

    Raises:
        ValueError: For another scale, scales that don't fall, fewer levels than scales, a width that the scales can't
            halve, or an unknown norm.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 256,
        scales: Sequence[float] = (4, 2, 1, 0.5),
        num_outs: int = 5,
        norm_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not scales or not set(scales) <= {4, 2, 1, 0.5} or sorted(set(scales), reverse=True) != list(scales):
            raise ValueError(f"scales must be some of 4, 2, 1, 0.5, in this order, got {tuple(scales)}")
        if num_outs < len(scales):
            raise ValueError(f"num_outs must be at least the number of scales, {len(scales)}, got {num_outs}")
        if in_channels < 1 or in_channels % max(int(scales[0]), 1):
            raise ValueError(f"scale {scales[0]} needs in_channels divisible by it, got {in_channels}")
        norm_cfg = norm_cfg or {"type": "LN2d", "eps": 1e-6}
        if norm_cfg["type"] not in _NORMS:
            raise ValueError(f"norm_cfg has type={norm_cfg['type']!r}: SimpleFPN has {', '.join(_NORMS)}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_outs = num_outs
        levels = [_rescale(in_channels, scale) for scale in scales]
        self.rescale = nn.ModuleList(layers for layers, _ in levels)
        self.lateral_convs = nn.ModuleList(_conv_norm(width, out_channels, 1, norm_cfg) for _, width in levels)
        self.fpn_convs = nn.ModuleList(_conv_norm(out_channels, out_channels, 3, norm_cfg) for _ in levels)

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """One map ``(B, C, h, w)`` in a tuple -> the levels ``(B, out_channels, h*s, w*s)``, the largest first.

        Raises:
            ValueError: If there is more than one map.
        """
        if len(inputs) != 1:
            raise ValueError(f"SimpleFPN takes one map, got {len(inputs)}: set the backbone's out_indices=-1")
        outs = [
            smooth(lateral(rescale(inputs[0])))
            for rescale, lateral, smooth in zip(self.rescale, self.lateral_convs, self.fpn_convs, strict=True)
        ]
        while len(outs) < self.num_outs:
            outs.append(F.max_pool2d(outs[-1], kernel_size=1, stride=2))
        return tuple(outs)


def _rescale(width: int, scale: float) -> tuple[nn.Module, int]:
    """Layers that bring a map to a scale, and the channels that come out."""
    if scale == 4:
        layers = nn.Sequential(
            nn.ConvTranspose2d(width, width // 2, kernel_size=2, stride=2),
            LayerNorm2d(width // 2),
            nn.GELU(),
            nn.ConvTranspose2d(width // 2, width // 4, kernel_size=2, stride=2),
        )
        return layers, width // 4
    if scale == 2:
        return nn.Sequential(nn.ConvTranspose2d(width, width // 2, kernel_size=2, stride=2)), width // 2
    return (nn.Identity() if scale == 1 else nn.MaxPool2d(kernel_size=2, stride=2)), width


def _conv_norm(in_channels: int, out_channels: int, kernel_size: int, norm_cfg: dict) -> nn.Sequential:
    kind = _NORMS[norm_cfg["type"]]
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
        kind(out_channels, **{key: value for key, value in norm_cfg.items() if key != "type"}),
    )
