"""Links of README, CONTRIBUTING, CHANGELOG, docs and the configs' READMEs lead somewhere, on GitHub, too."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.training import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "configs").rglob("README.md")),
]
PARSER = MarkdownIt("commonmark").enable("table")


def tokens(page: Path) -> list[Token]:
    found = PARSER.parse(page.read_text(encoding="utf-8"))
    return [each for token in found for each in (token, *(token.children or ()))]


def targets(page: Path) -> list[str]:
    """Where a page's links and images lead."""
    return [str(token.attrs[key]) for token in tokens(page) for key in ("href", "src") if key in token.attrs]


def anchors(page: Path) -> set[str]:
    """GitHub's names of a page's headings; a second one of the same name gets -1, and so on."""
    found: list[str] = []
    parsed = PARSER.parse(page.read_text(encoding="utf-8"))
    for opening, inline in pairwise(parsed):
        if opening.type != "heading_open":
            continue
        text = "".join(child.content for child in inline.children or ())
        slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return set(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_to_files_and_headings(page):
    wrong = []
    for target in targets(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            wrong.append(target)
    assert wrong == []


def external() -> dict[str, list[str]]:
    """Every external link, with the pages that have it."""
    links: dict[str, list[str]] = {}
    for page in PAGES:
        for target in targets(page):
            if re.match(r"[a-z]+:", target):
                links.setdefault(target, []).append(page.relative_to(ROOT).as_posix())
    return links


def test_external_links_are_whole_and_encrypted():
    links = external()
    assert any("arxiv.org" in link for link in links)
    form = re.compile(r"https://(?!.*(example|localhost|TODO|XXX))[a-z0-9.-]+\.[a-z]{2,}(/[^\s<>{}]*)?")
    assert {link: pages for link, pages in links.items() if not form.fullmatch(link)} == {}


def test_headings_are_named_as_github_does(tmp_path):
    page = tmp_path / "x.md"
    page.write_text("# What a block's `features` are worth?\n## A, b/c\n## A, b/c\n```\n# no heading\n```\n")
    assert anchors(page) == {"what-a-blocks-features-are-worth", "a-bc", "a-bc-1"}
