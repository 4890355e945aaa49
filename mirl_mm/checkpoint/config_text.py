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
        values = {node.targets[0].id: _Tables().visit(node.value) for node in assignments}  # type: ignore[attr-defined]
        return Config({name: ast.literal_eval(value) for name, value in values.items()})
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


class _Tables(ast.NodeTransformer):
    """``dict(key=value)`` to what ``ast.literal_eval`` takes; all else it refuses itself."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not (isinstance(node.func, ast.Name) and node.func.id == "dict") or node.args:
            return node
        keys: list[Any] = [None if entry.arg is None else ast.Constant(entry.arg) for entry in node.keywords]
        return ast.Dict(keys, [entry.value for entry in node.keywords])
