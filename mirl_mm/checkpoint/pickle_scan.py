"""What a pickle would make, found out from its instructions before any of them is followed.

Readers that refuse foreign names still build whatever lists and tuples a file describes. Nested deeply enough they end
the process (Python hashes a tuple recursively), and a few kilobytes that repeat each other can stand for gigabytes.
"""

import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from typing import Any, BinaryIO, NamedTuple

#: Levels and size of what a file may stand for. Checkpoints have 10 levels, and less than ten times their length.
_DEEPEST = 100
_TIMES = 16
_ALWAYS = 16 << 20
_EACH = 16  # bytes that every object counts, besides its text

_LEAVES = {
    *("NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT"),
    *("BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "GLOBAL"),
}
#: Of these instructions, how many objects they take; None: those down to the mark.
_MAKES: dict[str, int | None] = dict(TUPLE1=1, TUPLE2=2, TUPLE3=3, TUPLE=None, LIST=None, DICT=None, FROZENSET=None)
_FILLS: dict[str, int | None] = dict(APPEND=1, SETITEM=2, BUILD=1, APPENDS=None, SETITEMS=None, ADDITEMS=None)
_DROPS: dict[str, int | None] = {"POP": 1, "POP_MARK": None}
_CALLS = {"REDUCE": 2, "NEWOBJ": 2, "NEWOBJ_EX": 3}


class Contents(NamedTuple):
    """What a pickle names.

    Attributes:
        names: Of classes and functions, ``module.name``, those of Python 2 under their new names, too.
        storages: Of PyTorch's files: key of each storage to the name of its type and its number of elements.
    """

    names: set[str]
    storages: dict[str, tuple[str, int]]


class _Node:
    """An object that would be made: its size with all that it refers to, its levels, and its value or parts."""

    __slots__ = ("depth", "fetched", "parts", "size", "value")

    def __init__(self, parts: list["_Node"], value: Any = None) -> None:
        self.size = _EACH + (len(value) if isinstance(value, (str, bytes, bytearray)) else 0)
        self.depth = 1
        self.value = value
        self.parts = parts if len(parts) <= 5 else []
        self.fetched = False
        self.take(parts)

    def take(self, parts: list["_Node"]) -> None:
        """Put parts into it."""
        for part in parts:
            self.size += part.size
            if part.depth >= self.depth:
                self.depth = part.depth + 1
        if self.depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} levels of tables and lists within each other")


def scan(stream: BinaryIO, length: int) -> Contents:
    """Go through the instructions of a pickle, of that many bytes, up to its end.

    Raises:
        ValueError: For nesting or a size that no weights have, for loops, and for instructions that they don't need.
        Exception: Of other types, where it is damaged.
    """
    stack: list[_Node] = []
    marks: list[int] = []
    memo: dict[int, _Node] = {}
    found = Contents(set(), {})
    limit, spent = _TIMES * length + _ALWAYS, 0

    def popped(number: int | None) -> list[_Node]:
        start = marks.pop() if number is None else len(stack) - number
        if start < (marks[-1] if marks else 0):
            raise ValueError("damaged")
        parts = stack[start:]
        del stack[start:]
        return parts

    argument: Any
    for code, argument, _ in pickletools.genops(stream):
        name = code.name
        if name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            memo[argument].fetched = True
            stack.append(memo[argument])
        elif name in _LEAVES:
            if name == "GLOBAL":
                found.names.add(argument.replace(" ", "."))
                argument = _renamed(*argument.split(" ", 1))
                found.names.add(argument)
            stack.append(_Node([], argument))
        elif name == "MARK":
            marks.append(len(stack))
        elif name in _MAKES:
            stack.append(_Node(popped(_MAKES[name])))
        elif name in _DROPS:
            popped(_DROPS[name])
        elif name in _FILLS:
            parts = popped(_FILLS[name])
            if stack[-1].fetched:
                raise ValueError("a table or list that refers to itself")
            stack[-1].take(parts)
        elif name in _CALLS:
            parts = popped(_CALLS[name])
            if parts[0].value == "builtins.bytearray" and any(type(part.value) is int for part in parts[1].parts):
                raise ValueError("an array of bytes without its bytes")
            stack.append(_Node(parts[1:]))
            spent += stack[-1].size
        elif name == "STACK_GLOBAL":
            module, attribute = (part.value for part in popped(2))
            if not (isinstance(module, str) and isinstance(attribute, str)):
                raise ValueError("a name that is no text")
            stack.append(_Node([], f"{module}.{attribute}"))
            found.names.add(f"{module}.{attribute}")
        elif name == "BINPERSID":
            (reference,) = popped(1)
            values = [part.value for part in reference.parts]
            if len(values) == 5 and isinstance(values[4], int):
                found.storages[str(values[2])] = (str(values[1]), values[4])
            stack.append(_Node([reference]))
        elif name == "DUP":
            stack[-1].fetched = True
            stack.append(stack[-1])
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise ValueError(f"the instruction {name}, which weights don't need")
        if spent > limit:
            break
    if not stack or spent + stack[-1].size > limit:
        raise ValueError(f"{length:,} bytes that stand for more than {limit:,}")
    return found


def _renamed(module: str, name: str) -> str:
    """As Python 3 calls it."""
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"
