"""Models that start from weights of any origin, and say what they took."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.logging import print_log
from mmengine.model import BaseModule, PretrainedInit
from mmengine.model.weight_init import update_init_info
from torch import Tensor, nn

from mirl_mm.checkpoint import Weights, load_into, read_any
from mirl_mm.checkpoint.load_report import ADAPTERS, RELATIVE, LoadReport, compare, shorten

from .head_count import stated_heads, usual_heads

PREFIX = "backbone."
#: Parts of encoders, ours and others', that stand behind the blocks or may be left out by choice: what the blocks give
#: is the same without them. Whatever else a file has is heeded by its model in front of the blocks or in them.
_BEHIND = (
    *("norm.", "fc_norm.", "head.", "head_dist.", "heads.", "attn_pool.", "pre_logits."),
    *("cls_token", "pos_embed", "mask_token"),
)
#: What some models have between the embedding and the blocks: random, it would spoil what the file knows.
_TO_BLOCKS = ("norm_pre.", "reg_token", "dist_token")
Say = Callable[[str, int], Any]


class FromPretrained(BaseModule):
    """A module whose ``init_cfg=dict(type="Pretrained", checkpoint=FILE)`` takes every file that ``read_any`` reads.

    mmengine's own initialiser wants the names to agree, unpickles what it is given, and is silent about most of what
    does not fit. Here the layout is recognised, whatever the default scope is; the report is logged; and it is an error
    if nothing of the backbone fits. ``prefix`` may name the wanted part of the file, e.g. ``prefix="backbone."``.
    """

    init_cfg: Any

    def init_weights(self) -> None:
        """Initialise the module and its children, then load what ``init_cfg`` asks for."""
        given: Any = self.init_cfg
        first = not self.is_init
        pretrained, self.init_cfg = _split(given)
        try:
            super().init_weights()
        finally:
            self.init_cfg = given
        for cfg in pretrained if first else []:
            self.load_pretrained(cfg["checkpoint"], cfg.get("prefix"))
            if hasattr(self, "_params_init_info"):  # kept by the model around it, for mmengine's log of all parameters
                update_init_info(self, init_info=f"loaded from {cfg['checkpoint']}")

    def load_pretrained(self, checkpoint: str, prefix: str | None = None) -> None:
        """Take the weights of a checkpoint of any origin, and log the report; ``prefix`` as of ``read_any``.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it can't be read, or is of a backbone that is not the module's.
        """
        load_into(self, read_any(checkpoint, prefix), Start(checkpoint, _log))


def _split(init_cfg: dict | list[dict] | None) -> tuple[list[dict], Any]:
    """The entries of ``init_cfg`` that name a checkpoint, and the others."""
    entries = [init_cfg] if isinstance(init_cfg, dict) else list(init_cfg or [])
    pretrained = [cfg for cfg in entries if cfg.get("type") in ("Pretrained", PretrainedInit)]
    return pretrained, [cfg for cfg in entries if cfg not in pretrained] or None


@dataclass(frozen=True)
class Start:
    """The policy of what a training starts from: the backbone has to fit, all else may be new.

    For a plain backbone, or a model with one as its ``backbone``. Outside the backbone, tensors of another shape (a
    head for other classes) are left out with a warning.

    Attributes:
        path: Of the file, for messages.
        say: Takes each line of the report, and its logging level.
    """

    path: str
    say: Say

    def __call__(self, module: nn.Module, weights: Weights) -> dict[str, Tensor]:
        """What the module can take; the rest is reported.

        Raises:
            ValueError: If nothing of the backbone fits, or its shapes, heads or blocks are others.
        """
        what, say = f"{type(module).__name__} from {self.path}", self.say
        whole = isinstance(getattr(module, "backbone", None), nn.Module)
        backbone: Any = module.backbone if whole else module
        start = PREFIX if whole else ""
        if hasattr(backbone, "from_original"):
            own = backbone.from_original(of_backbone(weights.state))
            others = {name: tensor for name, tensor in weights.state.items() if not name.startswith(PREFIX)}
            weights = weights._replace(state=others | {PREFIX + name: tensor for name, tensor in own.items()})
        state = dict(weights.state) if whole else of_backbone(weights.state)
        report = compare(module, state)
        heads = check_backbone(backbone, weights, report, start, what)
        say(f"{what}: {weights.origin}{f', {weights.progress}' if weights.progress else ''}", logging.INFO)
        stated, usual = stated_heads(weights), usual_heads(weights)
        if heads is not None and stated is None:
            doubt = usual not in (None, heads)
            say(
                f"{what}: the file does not tell its number of attention heads; the model's {heads} were assumed"
                + (f", but such models usually have {usual}: check {_setting(backbone)}" if doubt else ""),
                logging.WARNING if doubt else logging.INFO,
            )
        left = [] if whole else [name for name in weights.state if not name.startswith(PREFIX)]
        say(f"{what}: {report}" + (f"; not the backbone's: {shorten(left)}" if left else ""), logging.INFO)
        if report.missing:
            say(f"{what}: stay as initialised: {shorten(report.missing)}", logging.WARNING)
        if report.mismatched:
            say(f"{what}: left out and initialised anew, as their shapes differ: {report.shapes()}", logging.WARNING)
        return {name: tensor for name, tensor in state.items() if name not in report.mismatched}


def skip_pretrained(model: nn.Module) -> None:
    """Let ``init_weights`` of every part read no file: a resumed run has its own weights."""
    for module in model.modules():
        if isinstance(module, FromPretrained):
            module.init_cfg = _split(module.init_cfg)[1]


def of_backbone(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The backbone's tensors, without ``backbone.``."""
    return {name.removeprefix(PREFIX): tensor for name, tensor in state.items() if name.startswith(PREFIX)}


def check_backbone(backbone: Any, weights: Weights, report: LoadReport, start: str, what: str) -> int | None:
    """Refuse weights of another backbone; returns the model's heads, None for a backbone that has no such number."""
    fitting = [name for name in (*report.loaded, *report.resized) if name.startswith(start)]
    wrong = {name: shapes for name, shapes in report.mismatched.items() if name.startswith(start)}
    if wrong:
        shapes = LoadReport(mismatched=wrong).shapes()
        size = "model_name, timm_kwargs" if hasattr(backbone, "timm_kwargs") else "arch, patch_size"
        raise ValueError(
            f"{what}: the backbone's shapes differ ({shapes}). The file is {weights.origin}: set "
            f"model.backbone ({size}) as it was trained"
        )
    if not fitting:
        raise ValueError(f"{what}: nothing of the backbone fits. The file is {weights.origin}: {report}")
    heads: int | None = getattr(backbone, "num_heads", None)
    stated = stated_heads(weights)
    if heads is not None and stated not in (None, heads):
        raise ValueError(
            f"{what}: the file's model has {stated} attention heads, this one {heads}. Shapes agree, but the features "
            f"would be wrong: set num_heads={stated} in {_setting(backbone)}"
        )
    theirs = {_block(name, start) for name in fitting}
    lacking = [name for name in report.missing if _block(name, start) in theirs and name.startswith(f"{start}blocks.")]
    lacking += [name for name in report.missing if name.startswith(tuple(f"{start}{part}" for part in _TO_BLOCKS))]
    lacking = [name for name in lacking if not name.endswith(RELATIVE)]  # they begin at zero, and add nothing then
    if lacking:
        raise ValueError(
            f"{what}: it is of another model: the file has no {shorten(lacking)}, without which "
            f"{type(backbone).__name__} would give other features than the file's model"
        )
    depth = len(getattr(backbone, "blocks", ()))
    names = [name.removeprefix(start) for name in report.unexpected if name.startswith(start)]
    foreign = [name for name in names if not name.startswith(_BEHIND) and not _is_further_block(name, depth)]
    if any(name.endswith(ADAPTERS) for name in foreign):
        raise ValueError(
            f"{what}: the file has adapters ({shorten(foreign)}), and the backbone none: merge them into its weights "
            "by tools/model_converters/export_weights.py, or set the same lora in model.backbone"
        )
    if foreign:
        raise ValueError(
            f"{what}: the file's encoder has parts that {type(backbone).__name__} lacks and without which its features "
            f"are others: {shorten(foreign)}. Take other weights, or the file's model as the backbone: "
            'type="mirl_mm.TimmViT" with its model_name has what timm\'s models have'
        )
    return heads


def _setting(backbone: Any) -> str:
    """Where a config says of what size the backbone is: a DeepViT's or a TimmViT's."""
    return "model.backbone.timm_kwargs" if hasattr(backbone, "timm_kwargs") else "model.backbone.arch"


def _block(name: str, start: str) -> str:
    """``backbone.blocks.3`` of ``backbone.blocks.3.ls1.gamma``."""
    return start + ".".join(name.removeprefix(start).split(".")[:2])


def _is_further_block(name: str, depth: int) -> bool:
    """Whether a name is of a block behind the model's last."""
    root, _, rest = name.partition(".")
    number = rest.partition(".")[0]
    return root == "blocks" and number.isdecimal() and int(number) >= depth


def _log(line: str, level: int) -> None:
    print_log(line, logger="current", level=level)
