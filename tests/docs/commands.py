"""The commands of the documentation, and what a test does with each.

``python -m tests.docs.commands`` lists them. CONTRIBUTING.md says how they are marked.
"""

import re
import shlex
from collections import Counter
from typing import NamedTuple

from tests.docs.fences import Fence, fences

#: What a mark may say of a command, and how the list calls it.
STATES = ("run", "slow", "parsed", "needs data", "needs GPU", "needs network")
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
_FUNCTION = re.compile(r"^\w+\(\) \{ (.*); \}$", re.DOTALL)


class Command(NamedTuple):
    """One command.

    Attributes:
        place: File and line of its fence.
        text: As it stands there, on one line, without comment.
        words: As a shell splits it, without leading assignments.
        variables: Names of the environment variables that it sets.
        state: One of ``STATES``.
    """

    place: str
    text: str
    words: tuple[str, ...]
    variables: tuple[str, ...]
    state: str


def commands_of(fence: Fence) -> list[Command]:
    """A fence's commands.

    Raises:
        ValueError: If the mark has an unknown word, or neither one word nor as many as there are commands.
    """
    lines = [strip_comment(line) for line in re.sub(r"\\\n\s*", "", fence.text).splitlines()]
    lines = [line for line in lines if line]
    states = fence.marks or ("run",)
    states = states * len(lines) if len(states) == 1 else states
    unknown = sorted(set(states) - set(STATES))
    if unknown or len(states) != len(lines):
        raise ValueError(
            f"{fence.place}: the mark {', '.join(fence.marks)!r} should have one word, or one for each of the "
            f"{len(lines)} commands, of {', '.join(STATES)}"
        )
    return [_command(fence.place, line, state) for line, state in zip(lines, states, strict=True)]


def strip_comment(line: str) -> str:
    """A shell line without its comment; quotes and blanks inside stay."""
    lexer = shlex.shlex(line, posix=False, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    for word in lexer:
        if word.startswith("#"):
            break
        words.append(word)
    return " ".join(words)


def _command(place: str, text: str, state: str) -> Command:
    defined = _FUNCTION.match(text)
    words = [each for word in shlex.split(defined[1] if defined else text) for each in expand(word)]
    count = next((i for i, word in enumerate(words) if not _ASSIGNMENT.fullmatch(word)), len(words))
    variables = tuple(word.partition("=")[0] for word in words[:count])
    return Command(place, text, tuple(words[count:]), variables, state)


def expand(word: str) -> list[str]:
    """A word's brace expansion: ``{train,val}_x`` is two words."""
    found = re.fullmatch(r"([^{}]*)\{([^{}]*,[^{}]*)\}([^{}]*)", word)
    return [found[1] + each + found[3] for each in found[2].split(",")] if found else [word]


def shell_fences() -> list[Fence]:
    """Every fence of commands."""
    return list(fences("shell"))


def all_commands() -> list[Command]:
    """Every command of the documentation."""
    return [command for fence in shell_fences() for command in commands_of(fence)]


def main() -> None:
    """Print all commands by what becomes of them."""
    found = all_commands()
    for state in STATES:
        chosen = [command for command in found if command.state == state]
        if chosen:
            print(f"{state} ({len(chosen)})")
        for command in chosen:
            print(f"  {command.place:28s} {command.text}")
    counts = Counter(command.state for command in found)
    print(", ".join(f"{counts[state]} {state}" for state in STATES if counts[state]) + f"; {len(found)} in all")


if __name__ == "__main__":
    main()
