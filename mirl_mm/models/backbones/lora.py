"""Low-rank adapters (LoRA, Hu et al. 2021) on a backbone's linear layers, by peft.

The weights keep their names in files: those of the plain model, and beside them the adapters'
``lora_A.default.weight`` and ``lora_B.default.weight``. So files of any origin load as they do without adapters.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

#: What ``lora`` may have: arguments of peft's ``LoraConfig``. The others are about language models, add parameters that
#: can't be merged, or replace what a layer is.
KNOWN = ("r", "lora_alpha", "lora_dropout", "use_rslora", "target_modules")
#: Ends of the names of attention's linear layers, in DeepViT and in timm's models.
TARGETS = ("attn.qkv", "attn.q_proj", "attn.k_proj", "attn.v_proj", "attn.proj")
_BASE = "base_layer."


def add_adapters(backbone: Any, settings: Mapping[str, Any] | None, frozen: bool = False) -> None:
    """Put adapters, which add nothing at first, beside a backbone's layers; they alone are trained from now on.

    Args:
        backbone: With ``embed_dims``; changed in place. ``backbone.lora`` are the settings.
        settings: Arguments of peft's ``LoraConfig``, those of :data:`KNOWN`; ``r`` has to be given. ``target_modules``
            are ends of layers' names, by default :data:`TARGETS`. None: no adapters.
        frozen: Whether the backbone, or a part of it, is frozen.

    Raises:
        ImportError: Without peft.
        ValueError: For other settings, a rank that is none, layers that aren't there, or a frozen backbone.
    """
    backbone.lora = settings
    if settings is None:
        return
    given = dict(settings)
    rank, unknown = given.get("r"), sorted(set(given) - set(KNOWN))
    if unknown:
        raise ValueError(f"lora has no {', '.join(unknown)}: it takes {', '.join(KNOWN)} of peft's LoraConfig")
    if not isinstance(rank, int) or not 1 <= rank <= backbone.embed_dims:
        raise ValueError(f"lora needs a rank r between 1 and the width {backbone.embed_dims}, got r={rank!r}")
    if frozen:
        raise ValueError("lora trains adapters of a backbone, which is frozen here: take frozen or lora, not both")
    try:
        from peft import LoraConfig, inject_adapter_in_model
        from peft.tuners.lora import LoraLayer
    except ImportError as error:
        raise ImportError(f"lora needs peft ({error}): pip install 'mirl_mm[lora]'") from error
    for module in backbone.modules():
        if hasattr(module, "qkv_bias_separate"):  # else EVA's attention reads the weight of qkv, past its adapter
            module.qkv_bias_separate = True
    targets = list(given.pop("target_modules", TARGETS))
    try:
        inject_adapter_in_model(LoraConfig(target_modules=targets, **given), backbone)
    except (ValueError, TypeError) as error:
        raise ValueError(f"peft can't put lora={dict(settings)} on {type(backbone).__name__}: {error}") from error
    for module in backbone.modules():
        if isinstance(module, LoraLayer):
            module.register_state_dict_post_hook(_to_plain_names)
            module.register_load_state_dict_pre_hook(_from_plain_names)


def merge_adapters(backbone: nn.Module) -> None:
    """Add the adapters to the weights, and take them off: the plain model, with the same features but for rounding."""
    if getattr(backbone, "lora", None) is None:
        return
    from peft.tuners.lora import LoraLayer

    found: list[tuple[str, Any]] = [(n, m) for n, m in backbone.named_modules() if isinstance(m, LoraLayer)]
    for name, layer in found:
        layer.merge(safe_merge=True)
        parent, _, leaf = name.rpartition(".")
        setattr(backbone.get_submodule(parent), leaf, layer.get_base_layer())
    backbone.lora = None  # type: ignore[assignment]


def _to_plain_names(_: nn.Module, state: dict[str, Tensor], prefix: str, *__: Any) -> None:
    for name in [name for name in state if name.startswith(prefix + _BASE)]:
        state[prefix + name.removeprefix(prefix + _BASE)] = state.pop(name)


def _from_plain_names(layer: Any, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    for name in dict(layer.get_base_layer().named_parameters()):
        if prefix + name in state:
            state[prefix + _BASE + name] = state.pop(prefix + name)
