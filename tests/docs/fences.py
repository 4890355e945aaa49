"""Fenced code in the documentation, with the marks that stand before it in comments."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.training import ROOT

#: An optional mark, then a fence: what the mark is about, its words, the indent, the language, the text.
_FENCE = re.compile(
    r"(?:^ *<!-- (?P<about>commands|code): (?P<words>.*?) -->\n)?"
    r"^(?P<indent> *)(?P<ticks>```+)(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)(?P=ticks) *$",
    re.DOTALL | re.MULTILINE,
)
_MARK = re.compile(r"^ *<!-- (?:commands|code):", re.MULTILINE)


class Fence(NamedTuple):
    """A fenced block.

    Attributes:
        page: Path of its file below the root.
        line: Number of its text's first line.
        language: As after the ticks.
        text: What is inside, without the fence's indent.
        marks: The words of the comment before it; empty without one.
    """

    page: str
    line: int
    language: str
    text: str
    marks: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where it is, for messages and tests' names."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """The Markdown files that users and contributors read, docs of the reference excepted."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def fences(*languages: str) -> Iterator[Fence]:
    """All fences of these languages."""
    for page in pages():
        yield from (fence for fence in read(page) if fence.language in languages)


def read(page: Path) -> list[Fence]:
    """A file's fences.

    Raises:
        ValueError: If a mark is not right before a fence, where it would mean nothing.
    """
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name
    found, used = [], 0
    for each in _FENCE.finditer(text):
        indent = len(each["indent"])
        inside = "".join(line[indent:] if line.strip() else line for line in each["text"].splitlines(keepends=True))
        words = tuple(word.strip() for word in (each["words"] or "").split(",") if word.strip())
        line = text.count("\n", 0, each.start("text")) + 1
        found.append(Fence(name, line, each["language"], inside, words))
        # A fence may show marks: those count as used.
        used += bool(words) + len(_MARK.findall(each["text"]))
    if used != len(_MARK.findall(text)):
        raise ValueError(f"{name}: a mark (<!-- commands: ... -->) is not on the line before a fence")
    return found
