"""What a config is resolved to: the value at a key, a default that it leaves out, and what it is made into."""

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
import yaml
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmengine.registry import (
    DATASETS,
    HOOKS,
    LOOPS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    TASK_UTILS,
    TRANSFORMS,
    DefaultScope,
)

import mirl_mm.engine  # noqa: F401  (registers)
from mirl_mm.analysis.parts import model_on_meta
from tests.training import ROOT

#: Of an epoch, in the schedules' trial.
UPDATES = 10
#: Each parameter's group, of a model on the meta device: (share of the rate, weight decay).
Settings = dict[str, tuple[float, float]]


def resolve(path: str, at: str) -> Any:
    """The value that a row of docs/recipes names.

    Args:
        path: Of a config, in ``configs``.
        at: A dotted key of the config, in which a list's entry is named by its number or its ``type``, ``*`` stands for
            all entries, and a key that is not given has the default of its ``type``; or one of the forms that
            docs/recipes.md tells.

    Raises:
        LookupError: If there is no such thing.
    """
    for pattern, find in FORMS.items():
        if match := re.fullmatch(pattern, at):
            return find(path, *match.groups())
    cfg = load(path)
    return plain(follow(cfg.to_dict(), at.split("."), cfg.default_scope))


@cache
def load(path: str) -> Config:
    return Config.fromfile(ROOT / "configs" / path)


def follow(value: Any, keys: Sequence[str], scope: str) -> Any:
    """The value under the keys."""
    if not keys:
        return value
    first, rest = keys[0], keys[1:]
    if isinstance(value, Mapping):
        if first in value:
            return follow(value[first], rest, scope)
        return follow(default(value, first, scope), rest, scope)
    if isinstance(value, (list, tuple)):
        if first == "*":
            return [follow(each, rest, scope) for each in value]
        if first.isdigit():
            return follow(value[int(first)], rest, scope)
        (named,) = [each for each in value if each["type"].rpartition(".")[2] == first]
        return follow(named, rest, scope)
    raise LookupError(f"no {first!r} in {type(value).__name__} {value!r}")


def default(settings: Mapping[str, Any], name: str, scope: str) -> Any:
    """What a setting is that a config leaves to its type."""
    kind = settings.get("type")
    if kind is None:
        raise LookupError(f"no {name!r} among {sorted(settings)}")
    full = kind if "." in kind else f"{scope}.{kind}"
    registries = (MODELS, TRANSFORMS, DATASETS, HOOKS, LOOPS, OPTIM_WRAPPERS, OPTIMIZERS, PARAM_SCHEDULERS, TASK_UTILS)
    cls = next((found for each in registries if (found := each.get(full)) is not None), None)
    if cls is None:
        raise LookupError(f"{full} is in no registry")
    for base in cls.__mro__:
        parameter = inspect.signature(base.__init__).parameters.get(name) if "__init__" in vars(base) else None
        if parameter is not None and parameter.default is not parameter.empty:
            return parameter.default
    raise LookupError(f"{kind} has no default of {name!r}")


@cache
def built(path: str) -> torch.nn.Module:
    """The model, without memory for its weights."""
    cfg = load(path)
    return model_on_meta(cfg.model, cfg.default_scope)


def attribute(path: str, name: str) -> Any:
    value: Any = built(path)
    for part in name.split("."):
        value = value[int(part)] if part.isdigit() else getattr(value, part)
    return type(value).__name__ if isinstance(value, torch.nn.Module) else plain(value)


@cache
def settings_of_parameters(path: str) -> Settings:
    cfg = load(path)
    model = built(path)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(
            {
                "type": cfg.optim_wrapper.constructor,
                "optim_wrapper_cfg": {"type": "OptimWrapper", "optimizer": cfg.optim_wrapper.optimizer},
                "paramwise_cfg": cfg.optim_wrapper.get("paramwise_cfg"),
            }
        )
        groups = constructor(model).optimizer.param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    lr = cfg.optim_wrapper.optimizer.lr
    return {
        names[id(parameter)]: (group["lr"] / lr, group["weight_decay"])
        for group in groups
        for parameter in group["params"]
    }


def scale(path: str, parameter: str) -> float:
    return settings_of_parameters(path)[parameter][0]


def decay(path: str, parameter: str) -> float:
    return settings_of_parameters(path)[parameter][1]


def images(path: str) -> int:
    """Per update, on as many GPUs as the model zoo says."""
    models = yaml.safe_load((ROOT / "configs" / path).with_name("metafile.yml").read_text())["Models"]
    (gpus,) = [each["Metadata"]["GPUs"] for each in models if each["Config"] == f"configs/{path}"]
    cfg = load(path)
    return gpus * cfg.train_dataloader.batch_size * cfg.optim_wrapper.get("accumulative_counts", 1)


@cache
def rates(path: str) -> list[float]:
    """The head's learning rate at each step; an epoch is shortened to ``UPDATES`` of them."""
    cfg = load(path)
    by_epoch = "max_epochs" in cfg.train_cfg
    length = cfg.train_cfg.max_epochs if by_epoch else cfg.train_cfg.max_iters
    peak = cfg.optim_wrapper.optimizer.lr
    if cfg.auto_scale_lr.enable:
        peak *= images(path) / cfg.auto_scale_lr.base_batch_size
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    wrapper = OptimWrapper(optimizer, accumulative_counts=cfg.optim_wrapper.get("accumulative_counts", 1))
    wrapper.update_params(torch.zeros(1, requires_grad=True).sum())  # schedulers warn where nothing has been learnt yet
    each_of = cfg.param_scheduler if isinstance(cfg.param_scheduler, list) else [cfg.param_scheduler]
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        schedulers = [
            PARAM_SCHEDULERS.build({"end": length, **each, "optimizer": wrapper, "epoch_length": UPDATES})
            if each.get("convert_to_iter_based")
            else PARAM_SCHEDULERS.build({"end": length, **each, "optimizer": wrapper})
            for each in each_of
        ]
    found = []
    for _ in range(length * UPDATES if by_epoch else length):
        found.append(optimizer.param_groups[0]["lr"])
        for scheduler in schedulers:
            scheduler.step()
    return found


def rate(path: str, unit: str, count: str) -> float:
    steps = float(count) * UPDATES if unit == "epoch" else float(count)
    if steps != int(steps):
        raise LookupError(f"{unit} {count} is between two of the trial's updates")
    return rates(path)[int(steps)]


@cache
def drawn(path: str, part: str) -> torch.nn.Module:
    """A part of the model with its first weights."""
    cfg = load(path)
    settings = follow(cfg.to_dict()["model"], part.split("."), cfg.default_scope)
    MMLogger.get_current_instance().setLevel("WARNING")  # init_weights writes a line for each parameter
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        torch.manual_seed(0)
        module = MODELS.build(settings)
        module.init_weights()
    return module


def deviation(path: str, part: str, parameter: str) -> float:
    """To two digits, which thousands of weights tell."""
    std = drawn(path, part).get_parameter(parameter).std().item()
    return float(f"{std:.2g}")


def plain(value: Any) -> Any:
    """Lists and dicts of numbers and text, as YAML has them."""
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def same(found: Any, expected: Any) -> bool:
    """Whether two values are equal, numbers to seven digits."""
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and found.keys() == expected.keys()
            and all(same(found[name], each) for name, each in expected.items())
        )
    if isinstance(expected, (int, float)) and not isinstance(expected, bool):
        return (
            isinstance(found, (int, float))
            and not isinstance(found, bool)
            and math.isclose(found, expected, rel_tol=1e-7, abs_tol=1e-15)
        )
    return type(found) is type(expected) and found == expected


FORMS = {
    r"built (\S+)": attribute,
    r"scale of (\S+)": scale,
    r"decay of (\S+)": decay,
    r"rate at (epoch|update) ([\d.]+)": rate,
    r"std of (\S+), (\S+)": deviation,
    r"images per update": images,
}
