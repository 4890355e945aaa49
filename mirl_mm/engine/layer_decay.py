"""Layer-wise decay of the learning rate, for every task."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from mmengine.logging import MMLogger
from torch import nn

from mirl_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS

from .param_groups import GroupedOptimWrapperConstructor, Setting

#: Rows at either end of the printed table; between them the rates are a geometric sequence.
_SHOWN = 4


class _Row(NamedTuple):
    """One parameter's line in the table."""

    layer: int
    scale: float
    size: int
    decayed: bool


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(GroupedOptimWrapperConstructor):
    """Builds the optimiser with smaller learning rates for earlier layers of the backbone.

    The scale of layer l of N + 2 is ``layer_decay ** (N + 1 - l)``: embeddings are layer 0, block i is layer i + 1, all
    else, heads, necks and final norms included, is layer N + 1 with scale 1 (Clark et al., ELECTRA; BEiT; MAE
    ``util/lr_decay.py``). Which layer a parameter belongs to is asked of the backbone (``get_layer_depth``), wherever
    in the model it sits: in a classifier, a detector or a segmentor. 1-D parameters, biases and what the backbone's
    ``no_weight_decay()`` names have no weight decay. Parameters of equal rate and weight decay share a group.

    Args:
        optim_wrapper_cfg: ``optimizer`` and the wrapper's own settings.
        paramwise_cfg: ``layer_decay``, in (0, 1], ``bias_decay``, ``ln2d_decay`` and ``custom_keys`` as in
            :class:`~mirl_mm.engine.GroupedOptimWrapperConstructor`; the factors of the latter come on top.

    Raises:
        ValueError: Without ``layer_decay``, for one outside (0, 1], for a model without such a backbone, and for a
            backbone's parameter that has no layer.
    """

    known_keys = ("layer_decay", "bias_decay", "ln2d_decay", "custom_keys")

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
        decay = self.paramwise_cfg.get("layer_decay")
        if not isinstance(decay, (int, float)) or not 0 < decay <= 1:
            raise ValueError(f"paramwise_cfg.layer_decay must lie in (0, 1], got {decay!r}; 1 means no decay")
        self.layer_decay = float(decay)
        self._rows: list[_Row] = []

    def _settings(self, model: nn.Module) -> Iterator[tuple[str, nn.Parameter, Setting]]:
        self._rows = []
        self._prefix, self._backbone = find_backbone(model)
        first = next(name for name, _ in self._backbone.named_parameters())
        self._last_layer = self._backbone.get_layer_depth(first)[1] - 1
        yield from super()._settings(model)

    def default_setting(self, model: nn.Module, name: str, parameter: nn.Parameter) -> Setting:
        """Scale and weight decay of a parameter by its layer."""
        decay = super().default_setting(model, name, parameter).weight_decay
        layer = self._last_layer
        if name.startswith(self._prefix):
            layer, _ = self._backbone.get_layer_depth(name, self._prefix)
            if name.removeprefix(self._prefix) in getattr(self._backbone, "no_weight_decay", set)():
                decay = 0.0
        scale = self.layer_decay ** (self._last_layer - layer)
        self._rows.append(_Row(layer, scale, parameter.numel(), decay > 0))
        return Setting(scale, decay)

    def _log(self, groups: dict[Setting, list[tuple[str, nn.Parameter]]]) -> None:
        MMLogger.get_current_instance().info(self._table(len(groups)))

    def _table(self, groups: int) -> str:
        """A line per layer, the middle ones of a deep model left out."""
        lines = []
        for layer in sorted({row.layer for row in self._rows}):
            rows = [row for row in self._rows if row.layer == layer]
            million = sum(row.size for row in rows) / 1e6
            decayed = sum(row.decayed for row in rows)
            lines.append(
                f"  {layer:>5d}  {rows[0].scale:>9.4g}  {decayed:>7d}  {len(rows) - decayed:>5d}  {million:>9.3f}"
            )
        if len(lines) > 2 * _SHOWN + 1:
            lines[_SHOWN:-_SHOWN] = [f"    ...  x {1 / self.layer_decay:.4g} each"]
        title = f"layer decay {self.layer_decay:g}: {groups} parameter groups (before custom_keys:)"
        return "\n".join([title, "  layer   lr scale  decayed  plain    million", *lines])


def find_backbone(model: nn.Module) -> tuple[str, Any]:
    """The module that knows its layers: its name with a dot at the end (empty for the model itself), and the module.

    That is the model's ``backbone``, if it does, whatever else there is besides (such as a teacher).

    Raises:
        ValueError: If there is none, or more than one, none of which is the model's ``backbone``.
    """
    if hasattr(getattr(model, "backbone", None), "get_layer_depth"):
        return "backbone.", model.backbone
    found = [(name, module) for name, module in model.named_modules() if hasattr(module, "get_layer_depth")]
    if len(found) != 1:
        names = ", ".join(name for name, _ in found)
        what = f"{len(found)} have it: {names}" if found else "none has it"
        raise ValueError(
            f"layer decay needs one module with get_layer_depth(name, prefix) in {type(model).__name__}, and {what}. "
            "Use a plain backbone such as DeepViT, or GroupedOptimWrapperConstructor without layer decay"
        )
    name, module = found[0]
    return (f"{name}." if name else ""), module
