"""From tokens to class scores."""

from mmengine.model import BaseModule
from timm.models.vision_transformer import global_pool_nlc
from torch import Tensor, nn
from torch.nn import functional as F

from mirl_mm.models.layers import LayerNorm
from mirl_mm.registry import MODELS


@MODELS.register_module()
class LinearClsHead(BaseModule):
    """One token for the image, a norm, a linear layer: the head of MAE's and MIRL's fine-tuning.

    Args:
        in_channels: Width C of the tokens.
        num_classes: Classes.
        pool: ``"avg"``, the mean of the patch tokens, or ``"token"``, the class token. With ``"avg"`` the backbone
            should have ``final_norm=False``, as the norm is here (MAE's ``fc_norm``); with ``"token"`` the backbone
            normalises and ``norm=False`` belongs here.
        norm: Whether a LayerNorm comes before the linear layer.
        norm_eps: Of that norm. 1e-6 is MAE's, MIRL's and most models'; DINOv3 of timm has 1e-5.
        dropout: Of what enters the linear layer.
        label_smoothing: Share of the target that is spread evenly over the classes, in training.
        init_std: Deviation of the linear layer's truncated normal weights: 2e-5, so that fine-tuning starts from
            near-equal scores (facebookresearch/mae ``main_finetune.py``; MIRL's is the same).
        init_cfg: mmengine's.

    Raises:
        ValueError: For fewer than one class, another pooling, or a label smoothing outside [0, 1).
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        pool: str = "avg",
        norm: bool = True,
        norm_eps: float = 1e-6,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        init_std: float = 2e-5,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}")
        if pool not in ("avg", "token"):
            raise ValueError(f"pool must be 'avg' (mean of the patch tokens) or 'token' (class token), got {pool!r}")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), got {label_smoothing}")
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.pool_kind = pool
        self.label_smoothing = label_smoothing
        self.norm_eps = norm_eps
        self.norm = self.make_norm(in_channels) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(in_channels, num_classes)
        nn.init.trunc_normal_(self.fc.weight, std=init_std)
        nn.init.zeros_(self.fc.bias)

    def make_norm(self, width: int) -> nn.Module:
        """The norm before the linear layer."""
        return LayerNorm(width, eps=self.norm_eps)

    def pool(self, tokens: Tensor, num_prefix_tokens: int = 1) -> Tensor:
        """``(B, P + L, C)`` tokens, the P prefix tokens (class token) first -> ``(B, C)``."""
        return global_pool_nlc(tokens, self.pool_kind, num_prefix_tokens)

    def forward(self, tokens: Tensor, num_prefix_tokens: int = 1) -> Tensor:
        """``(B, P + L, C)`` tokens -> ``(B, num_classes)`` scores before the softmax."""
        return self.fc(self.dropout(self.norm(self.pool(tokens, num_prefix_tokens))))

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross entropy with label smoothing, in float32 or better.

        Args:
            logits: ``(B, num_classes)``.
            targets: ``(B,)`` labels, or ``(B, num_classes)`` shares of mixed images' classes.
        """
        # Smoothing is linear in the target, so smoothing the mixed target is timm's mixing of smoothed targets.
        logits = logits.float() if logits.dtype.itemsize < 4 else logits
        return F.cross_entropy(logits, targets, label_smoothing=self.label_smoothing)


@MODELS.register_module()
class LinearProbeHead(LinearClsHead):
    """Linear probe after MAE's protocol: batch norm without weights before the linear layer.

    Args:
        in_channels: Width C of the tokens.
        num_classes: Classes.
        pool: As in :class:`LinearClsHead`; the class token by default, as in MAE's ``main_linprobe.py``.
        init_std: 0.01 (``main_linprobe.py``).
        **kwargs: As in :class:`LinearClsHead`.
    """

    def __init__(
        self, in_channels: int, num_classes: int, pool: str = "token", init_std: float = 0.01, **kwargs: object
    ) -> None:
        super().__init__(in_channels, num_classes, pool=pool, init_std=init_std, **kwargs)  # type: ignore[arg-type]

    def make_norm(self, width: int) -> nn.Module:
        """Batch norm that only standardises; eps 1e-6 as in ``main_linprobe.py``."""
        return nn.BatchNorm1d(width, affine=False, eps=1e-6)
