"""Is a batch norm shared by maps of several levels?"""

import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.registry import MODELS
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch.nn.modules.batchnorm import _BatchNorm

from mirl_mm.registry import HOOKS


@HOOKS.register_module()
class SharedNormCheckHook(Hook):
    """Warns of batch norm in a head whose layers are shared by the levels of a pyramid.

    In training, each level is normalised by its own statistics, one after the other; the running statistics, which take
    their place in the test, are a mixture of all levels'. They fit none: scores of some levels come out far too high
    (docs/results.md has figures). Group norm has no running statistics, and heads such as mmdet's ``RetinaSepBNHead``
    have a batch norm for each level.
    """

    def before_run(self, runner: Runner) -> None:
        """Look at the heads of the config's model."""
        for place, names in shared_batch_norms(runner.cfg.model):
            runner.logger.warning(
                f"{place} has batch norm ({names[0]} and {len(names) - 1} more) that all levels share: what it learns "
                "of one level's statistics is used for all in the test, and precision suffers. Take norm_cfg="
                "dict(type='GN', num_groups=32) there, or a head with norms for each level; batch norm in the neck, "
                "whose levels have layers of their own, does no harm"
            )


def shared_batch_norms(model: Mapping[str, Any], place: str = "model") -> Iterator[tuple[str, list[str]]]:
    """Heads of a model's config, or of what wraps it, with batch norms that more than one level passes.

    Each dense head is built on the meta device, where it costs nothing, and is given maps of two levels; whatever it
    shares, it is seen, by whichever name.

    Yields:
        A head's place in the config, and the names of its norms.
    """
    for name, part in model.items():
        if name == "module":  # of test-time augmentation
            yield from shared_batch_norms(part, f"{place}.{name}")
        elif name.endswith("_head") and isinstance(part, Mapping) and part.get("type"):
            kind = MODELS.get(part["type"]) if isinstance(part["type"], str) else part["type"]
            norms = _passed_twice(part) if isinstance(kind, type) and issubclass(kind, BaseDenseHead) else []
            if norms:
                yield f"{place}.{name}", norms


def _passed_twice(cfg: Mapping[str, Any]) -> list[str]:
    with torch.device("meta"), DefaultScope.overwrite_default_scope("mmdet"):
        head: Any = MODELS.build({**copy.deepcopy(dict(cfg)), "train_cfg": None, "test_cfg": None}).eval()
    norms = {name: module for name, module in head.named_modules() if isinstance(module, _BatchNorm)}
    levels = getattr(getattr(head, "prior_generator", None), "num_levels", 1)
    if not norms or levels < 2 or not isinstance(head.in_channels, int):
        return []
    passes: Counter[str] = Counter()
    for name, module in norms.items():
        module.register_forward_pre_hook(lambda *_, name=name: passes.update([name]))
    sides = [2 ** (levels - level) for level in range(levels)]
    head(tuple(torch.empty(1, head.in_channels, side, side, device="meta") for side in sides))
    return [name for name, count in passes.items() if count > 1]
