"""Refuse ``--cfg-options`` of a variable that only the config file itself reads."""

import ast
import inspect
import os
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mirl_mm.text import shortlist

#: Top-level settings besides those of mmengine's runner: what it asks its config for, what its flexible runner has, and
#: what this package reads.
_MORE = {
    *("model_wrapper_cfg", "sync_bn", "find_unused_parameters", "activation_checkpointing", "efficient_conv_bn_eval"),
    *("strategy", "runner_type", "custom_imports", "compile", "tta_model", "tta_pipeline"),
}


def settings() -> set[str]:
    """Names of the top-level settings that are read once the file has been run."""
    return {*inspect.signature(Runner.__init__).parameters, *_MORE}


def check_variable(cfg: Config, key: str) -> None:
    """Refuse to override by a dotted key a variable that only the config file has read: nothing would change.

    Raises:
        ValueError: With the keys that hold the variable's value, which count.
    """
    name, _, rest = key.partition(".")
    known = settings()
    if name in known or name not in cfg:
        return
    value = cfg.to_dict()[name]
    if isinstance(value, dict):
        value = {each: inner for each, inner in value.items() if each != "_delete_"}  # of merging, and then gone
    kept = {top: node for top, node in cfg.to_dict().items() if top in known}
    places = list(_places(kept, value, "")) if isinstance(value, (str, list, tuple, dict)) and value else []
    if not (places or name in _names_read(cfg.text)):
        return  # of a hook of the user's, say, that looks into the config
    counting = sorted(f"{place}.{rest}" if rest else place for place in places)
    raise ValueError(
        f"--cfg-options {key}: {name} is a variable that the config file alone has read; set now, it would change "
        f"nothing. What counts is {shortlist(counting, 6) or 'what was made of it: see print_config.py'}"
        f"{_OPTIONS.get(name, '')}"
    )


#: Command lines' own options for what many configs have as a variable.
_OPTIONS = {"data_root": "; for all at once there is --data-root", "classes": "; for all at once there is --classes"}


def _places(node: Any, value: Any, place: str) -> Iterator[str]:
    """Where a value stands in a config."""
    if place and type(node) is type(value) and node == value:
        yield place
        return
    children = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for key, child in children:
        yield from _places(child, value, f"{place}.{key}" if place else str(key))


def _names_read(text: str) -> set[str]:
    """Names that config files read; mmengine puts the text of all of them together, each after a line with its path."""
    pieces: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.endswith(".py") and os.path.isfile(line):
            pieces.append([])
        else:
            pieces[-1].append(line)
    found: set[str] = set()
    for piece in pieces:
        try:
            nodes = list(ast.walk(ast.parse("\n".join(piece))))
        except SyntaxError:  # of mmengine's {{ }}
            continue
        found |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        found |= {
            node.attr
            for node in nodes
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "_base_"
        }
    return found
