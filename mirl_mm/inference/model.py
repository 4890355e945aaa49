"""The model of an inferencer: built by a config, with a checkpoint's weights."""

import copy
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from torch import nn

from mirl_mm.checkpoint import Exact, Weights, load_into, read_any
from mirl_mm.checkpoint.embedded_config import config_for
from mirl_mm.config import scope_of
from mirl_mm.engine.launch import load_config
from mirl_mm.registry import MODELS, SCOPE


class TrainedModel:
    """What an inferencer says of its models, and how one is made."""

    #: What its models are called, what others lack, and which configs make them.
    models = ""
    lack = ""
    configs = ""
    #: Where names without prefix are looked up if the config has no ``default_scope``.
    default_scope = SCOPE
    #: Around all that is built from the config; for one that came with the checkpoint it is
    #: :func:`~mirl_mm.checkpoint.embedded_config.building`.
    guard: Callable[[], AbstractContextManager] = nullcontext

    @classmethod
    def base_model(cls) -> type | None:
        """Of which class a model has to be; None: any. Imports what that needs."""
        return None

    def check_weights(self, weights: Weights, path: str) -> None:
        """Refuse a checkpoint that can't serve, before anything is built."""

    def adjust_config(self, cfg: Config | ConfigDict) -> None:
        """Refuse other models; change the config before the model is built.

        Raises:
            ValueError: If it is another model.
        """
        expected, kind = self.base_model(), self.model_class(cfg)
        if expected is not None and not (isinstance(kind, type) and issubclass(kind, expected)):
            raise ValueError(
                f"the config's model is {cfg.model.type}, which {self.lack}: give the checkpoint of a training with a "
                f"config of {self.configs}"
            )

    @classmethod
    def within_scope(cls, cfg: Config | ConfigDict) -> AbstractContextManager:
        """Names without prefix are those of the config's scope while this context lasts, whatever ran before."""
        return scope_of(cfg, cls.default_scope)

    @classmethod
    def model_class(cls, cfg: Config | ConfigDict) -> Any:
        """What the config's model is made by; None if nothing of its name is registered."""
        with cls.within_scope(cfg), MODELS.switch_scope_and_registry(None) as registry:
            return registry.get(cfg.model.type)

    def class_names(self, number: int, given: Sequence[str] | None = None) -> tuple[str, ...]:
        """A name for each of the model's classes.

        Args:
            number: Of the model's classes.
            given: The user's names. Default: those of the training's data set, which the checkpoint holds; ``class 7``
                where it doesn't, or has another number of them.

        Raises:
            ValueError: If there is another number of given names.
        """
        known = self.meta.get("dataset_meta", {}).get("classes", ())
        names = given or (known if len(known) == number else [f"class {i}" for i in range(number)])
        if len(names) != number:
            raise ValueError(f"{len(names)} class names for a model of {number} classes: give one for each, in order")
        return tuple(names)

    def _init_model(self, cfg: Config | ConfigDict, path: str, device: str) -> nn.Module:
        """The model with its weights; fills ``cfg`` where it is empty."""
        weights = read_any(path)
        self.check_weights(weights, path)
        if not cfg:
            own, self.guard = config_for(weights, path)
            cfg.update(own)
        self.progress, self.meta = weights.progress, weights.meta
        with self.guard(), self.within_scope(cfg):
            self.adjust_config(cfg)
            model = MODELS.build(cfg.model)
        refusal = f"checkpoint {path!r} does not fit {type(model).__name__}"
        remedy = "give the config with which it was trained, or none if the checkpoint has it"
        policy = Exact(lambda report: f"{refusal}: {report}. It was written for another model: {remedy}")
        load_into(model, weights, policy)
        return model.to(device).eval()


def config_and_checkpoint(
    model: str | Path | Config | ConfigDict | dict | None, weights: str | Path | None
) -> tuple[Config | ConfigDict, str]:
    """The config, empty where the checkpoint has it, and the checkpoint."""
    cfg: Any = model
    if isinstance(model, (str, Path)):
        if Path(model).suffix in (".py", ".json", ".yaml", ".yml"):
            cfg = load_config(model)
        elif not os.path.isfile(model):
            raise FileNotFoundError(f"no config or checkpoint {str(model)!r}")
        elif weights is None:
            cfg, weights = None, model
        else:
            raise ValueError(f"two checkpoints: model={str(model)!r} and weights={str(weights)!r}; give one")
    if weights is None:
        raise ValueError("a config alone has no weights: give a checkpoint as model or as weights")
    cfg = ConfigDict() if cfg is None else cfg if isinstance(cfg, (Config, ConfigDict)) else ConfigDict(cfg)
    return copy.deepcopy(cfg), str(weights)
