"""Check ``--cfg-options``: an override must name a key that is read."""

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mmengine import registry as root
from mmengine.config import Config
from mmengine.registry import DefaultScope, Registry
from mmengine.runner import LogProcessor, Runner, set_random_seed
from torch.utils.data import DataLoader

from mirl_mm import registry
from mirl_mm.config import listed, scope_of

from .cfg_options_variables import check_variable

#: Where a config's ``type`` may be found: our registries first, then mmengine's own.
_REGISTRIES = [value for module in (registry, root) for value in vars(module).values() if isinstance(value, Registry)]

#: Settings without a ``type``, and what reads them.
_READERS: dict[str, Callable] = {
    "": Runner.__init__,
    "randomness": set_random_seed,
    "log_processor": LogProcessor.__init__,
    **{f"{name}_dataloader": DataLoader.__init__ for name in ("train", "val", "test")},
}
#: What is read besides: by :func:`mirl_mm.engine.launch.build_runner` and
#: :func:`~mirl_mm.engine.freezing.settle_freezing`, and of a data loader by mmengine's runner.
_MORE = {
    "": ["runner_type", "compile", "activation_checkpointing"],
    "model": ["freeze_backbone"],
    **{f"{name}_dataloader": ["num_batch_per_epoch"] for name in ("train", "val", "test")},
}

#: Settings of earlier versions, and what they are now.
_MOVED = {"with_cp": "activation_checkpointing"}

#: Most keys that a message lists.
_SHOWN = 3


def check_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Refuse overrides that name nothing: a misspelt key would be ignored in silence.

    A key is accepted if the config has it, or if what reads its place (the class that ``type`` names, the runner, the
    data loader) has a parameter of that name. Plain dicts of values without a known reader take any key. A variable of
    the config file is refused: see :func:`.cfg_options_variables.check_variable`.

    Raises:
        ValueError: With the key and the nearest ones that exist, or those that count.
    """
    with scope_of(cfg):
        for key in options:
            check_variable(cfg, key)
            _check(cfg, key)


def set_metric_option(cfg: Config, flag: str, **options: Any) -> set[str]:
    """Set an option of the metrics that know it among ``test_evaluator``; ``flag`` is the command line's name for it.

    Different metrics may call it otherwise, and take another value: the first of ``options`` that one has is set.

    Returns:
        The options that were set.

    Raises:
        ValueError: If no metric of the config has any of them.
    """
    metrics = listed(cfg.get("test_evaluator"))
    with scope_of(cfg):
        kinds = [(metric, find_type(metric["type"])) for metric in metrics]
    done: set[str] = set()
    for metric, kind in kinds:
        known = set() if kind is None else set(parameters_of(kind))
        option = next((option for option in options if option in known), None)
        if option is not None:
            metric[option] = options[option]
            done.add(option)
    if not done:
        names = ", ".join(str(metric["type"]) for metric in metrics) or "none"
        raise ValueError(
            f"{flag} is for classifiers, detectors and segmentors: none of the config's metrics ({names}) has an "
            f"option {' or '.join(map(repr, options))}"
        )
    return done


def _check(cfg: Config, key: str) -> None:
    parts = key.split(".")
    node: Any = cfg.to_dict()
    for depth, part in enumerate(parts):
        place = ".".join(parts[:depth])
        known = _known_keys(node, place)
        if known is None or part == "_delete_":
            return
        if not isinstance(node, (Mapping, list, tuple)):
            needed = "depth=..., embed_dims=..., num_heads=..." if place.endswith("arch") else f"{part}=..."
            raise ValueError(
                f"--cfg-options {key}: {place} is {node!r}, which has no parts: set all of it, such as "
                f'{place}="dict({needed})"'
            )
        if part not in known:
            raise ValueError(
                f"--cfg-options {key}: {place or 'the config'} has no {part!r}; {_help(part, known, node)}"
            )
        node = node[int(part)] if isinstance(node, (list, tuple)) else node.get(part)


def _help(part: str, known: Sequence[str], node: Any) -> str:
    """What may have been meant by a key that is not there: the nearest ones, or all where they are few."""
    if part in _MOVED:
        return f"it is {_MOVED[part]} now, outside of the model"
    near = difflib.get_close_matches(part, known, n=_SHOWN)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if isinstance(node, (list, tuple)):
        return f"it has {len(known)} entries, counted from 0"
    if len(known) <= _SHOWN:
        return f"it has {', '.join(known) or 'no keys'}"
    return "nothing in it is called alike: tools/misc/print_config.py shows the config"


def _known_keys(node: Any, place: str) -> list[str] | None:
    """Keys that a place takes; None if it takes any."""
    if isinstance(node, (list, tuple)):
        return [str(i) for i in range(len(node))]
    if not isinstance(node, Mapping):
        return [] if node is not None else None
    reader = _READERS.get(place) or (find_type(node["type"]) if "type" in node else None)
    if reader is not None:
        parameters = list(parameters_of(reader))
        named = [name for name in parameters if name is not None]
        return None if None in parameters else list(dict.fromkeys([*node, *named, *_MORE.get(place, ())]))
    holds_dicts = bool(node) and all(isinstance(value, Mapping) for value in node.values())
    return list(node) if holds_dicts and "type" not in node else None


def find_type(kind: Any) -> Callable | None:
    """What a config's ``type`` names, looked for in the current scope; None if nothing has this name."""
    if not isinstance(kind, str):
        return kind
    scope = DefaultScope.get_current_instance()
    names = [kind] if scope is None or "." in kind else [kind, f"{scope.scope_name}.{kind}"]
    found = (candidate.get(name) for name in names for candidate in _REGISTRIES)
    return next((each for each in found if each is not None), None)


def parameters_of(reader: Callable) -> Iterator[str | None]:
    """Names of the parameters, following ``**kwargs`` to the base classes; None where anything is taken."""
    functions = [reader]
    if inspect.isclass(reader):
        functions = [vars(c)["__init__"] for c in inspect.getmro(reader) if "__init__" in vars(c) and c is not object]
    for function in functions:
        parameters = inspect.signature(function).parameters.values()
        yield from (p.name for p in parameters if p.kind is not p.VAR_KEYWORD)
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return
    yield None
