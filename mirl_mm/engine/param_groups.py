"""Parameter groups: as few as there are distinct settings."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from mmengine.logging import MMLogger
from mmengine.model import BaseAveragedModel, is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from timm.layers import LayerNorm2d
from torch import nn

from mirl_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS

_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)


class Setting(NamedTuple):
    """What a group's parameters share: factor on the learning rate, and weight decay."""

    lr_mult: float
    weight_decay: float


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class GroupedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Builds the optimiser with one group per distinct (learning rate, weight decay).

    1-D parameters and biases have no weight decay; everything else has, class and mask tokens included (MAE's and
    MIRL's rule: by the number of axes alone). mmengine's default constructor makes a group for every parameter, which
    takes the speed out of fused and foreach optimisers.

    Args:
        optim_wrapper_cfg: ``optimizer`` and the wrapper's own settings.
        paramwise_cfg: ``custom_keys``, a dict from a regular expression to ``lr_mult`` and ``decay_mult``: the first
            that is found in a parameter's name counts; ``bias_decay=True`` gives weight decay to all but norms
            (detectron2's rule for ViTDet, ``weight_decay_norm=0``), with ``ln2d_decay=True`` to ``LN2d`` norms, too:
            what detectron2 takes for norms (``solver/build.py``, ``norm_module_types``) are torch's classes, and the
            LayerNorm of its necks and heads (``layers/batch_norm.py``) is none of them.

    Raises:
        ValueError: For an unknown key of ``paramwise_cfg`` or an expression that matches no parameter.
    """

    #: What ``paramwise_cfg`` may have.
    known_keys: tuple[str, ...] = ("bias_decay", "ln2d_decay", "custom_keys")

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
        unknown = set(self.paramwise_cfg) - set(self.known_keys)
        if unknown:
            known = ", ".join(map(repr, self.known_keys))
            raise ValueError(f"paramwise_cfg knows {known} only, got {sorted(unknown)}")

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimiser and its wrapper for ``model``, wrapped (DDP, an average of weights) or not."""
        module: Any = model
        while is_model_wrapper(module) or isinstance(module, BaseAveragedModel):
            module = module.module
        groups: dict[Setting, list[tuple[str, nn.Parameter]]] = {}
        for name, parameter, setting in self._settings(module):
            groups.setdefault(setting, []).append((name, parameter))
        self._log(groups)
        params = [
            {
                "params": [parameter for _, parameter in members],
                "lr": self.base_lr * setting.lr_mult,
                "weight_decay": setting.weight_decay,
            }
            for setting, members in groups.items()
        ]
        optimizer = OPTIMIZERS.build({**self.optimizer_cfg, "params": params})
        return OPTIM_WRAPPERS.build({"type": "OptimWrapper", **self.optim_wrapper_cfg, "optimizer": optimizer})

    def _settings(self, model: nn.Module) -> Iterator[tuple[str, nn.Parameter, Setting]]:
        custom: dict[str, dict[str, Any]] = self.paramwise_cfg.get("custom_keys", {})
        unused = set(custom)
        self._norms = names_of_norms(model, but=LayerNorm2d if self.paramwise_cfg.get("ln2d_decay") else ())
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            key = next((key for key in custom if re.search(key, name)), None)
            unused.discard(key or "")
            chosen = custom.get(key or "", {})
            lr_mult, decay = self.default_setting(model, name, parameter)
            yield name, parameter, Setting(lr_mult * chosen.get("lr_mult", 1.0), decay * chosen.get("decay_mult", 1.0))
        if unused:
            raise ValueError(
                f"paramwise_cfg.custom_keys {sorted(unused)} match no trainable parameter: check the names"
            )

    def default_setting(self, model: nn.Module, name: str, parameter: nn.Parameter) -> Setting:
        """Setting of one of the model's parameters before ``custom_keys``; may be overridden."""
        plain = parameter.ndim <= 1 or name.endswith(".bias")
        if self.paramwise_cfg.get("bias_decay"):
            plain = name in self._norms
        return Setting(1.0, 0.0 if plain else (self.base_wd or 0.0))

    def _log(self, groups: dict[Setting, list[tuple[str, nn.Parameter]]]) -> None:
        rows = [
            f"  {setting.lr_mult:>8.4g}  {setting.weight_decay:>8.4g}  {len(members):>7d}  "
            f"{sum(parameter.numel() for _, parameter in members) / 1e6:>9.3f}  {members[0][0]}"
            for setting, members in groups.items()
        ]
        title = "parameter groups:\n  lr mult     decay  tensors  million    first"
        MMLogger.get_current_instance().info("\n".join([title, *rows]))


def names_of_norms(model: nn.Module, but: type[nn.Module] | tuple[()] = ()) -> set[str]:
    """Names of the parameters that belong to normalisation layers of any kind, ``but`` one."""
    return {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        if isinstance(module, _NORMS) and not isinstance(module, but)
        for name, _ in module.named_parameters(recurse=False)
    }
