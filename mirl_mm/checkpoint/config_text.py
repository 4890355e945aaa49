"""The config that a checkpoint holds as text: a table of values, of which nothing is run."""

import ast
import io
import keyword
import tokenize
from typing import Any

from mmengine.config import Config

#: Many times what this package's configs have: 40,000 characters and 12 brackets within each other.
_LONGEST = 2_000_000
_DEEPEST = 100
_CONSTANTS = ("True", "False", "None")


def parse_config(text: str) -> Config:
    """A config from the text of one that has been resolved: only values and ``dict(...)``, nothing is run.

    Raises:
        ValueError: If there is more in it than values.
    """
    try:
        _check_tokens(text)
        assignments = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
        return Config({node.targets[0].id: _value(node.value) for node in assignments})  # type: ignore[attr-defined]
    except Exception as error:  # of the parser, and of mmengine for names that it keeps for itself
        reason = str(error).partition("\n")[0][:200] or type(error).__name__
        raise ValueError(
            f"the checkpoint's config is not a table of plain values ({reason}): give the config file itself"
        ) from error


def _check_tokens(text: str) -> None:
    """Refuse what Python's parser should not see: deep nesting ends it without an exception.

    Names, numbers, strings and brackets alone can't nest but by brackets; a sign has to stand before a number.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"it has {len(text):,} characters")
    depth, sign = 0, False
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.OP:
            if sign or token.string not in "()[]{},:=-":
                raise ValueError(f"{token.string!r} in line {token.start[0]}")
            depth += (token.string in "([{") - (token.string in ")]}")
            if depth > _DEEPEST:
                raise ValueError(f"more than {_DEEPEST} brackets within each other")
        elif (sign and token.type != tokenize.NUMBER) or (
            token.type == tokenize.NAME and keyword.iskeyword(token.string) and token.string not in _CONSTANTS
        ):
            raise ValueError(f"{token.string!r} in line {token.start[0]}")
        sign = token.string == "-"


def _value(node: ast.expr) -> Any:
    """As ``ast.literal_eval``, and ``dict(key=value)``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        if any(entry.arg is None for entry in node.keywords):
            raise ValueError("dict(**...)")
        return {entry.arg: _value(entry.value) for entry in node.keywords}
    if isinstance(node, ast.Dict):
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values, strict=True) if key}
    if isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    return ast.literal_eval(node)
