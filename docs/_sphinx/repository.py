"""Pages that show a file of the repository, and links between both.

A page with an ``include`` of a Markdown file outside of ``docs/`` (CONTRIBUTING.md, a README of the configs) shows that
file. Links in it, and other pages' links to it, are written for GitHub, relative to where the file is; here they are
changed to the pages that show their targets. Links to files that no page shows become downloads.
"""

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r"```\{include\} (\S+)\n```\n?")
#: A Markdown link or image with a relative target: what is before the target, the target, its anchor.
LINK = re.compile(r"(\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("source-read", read_page)
    return {"parallel_read_safe": True}


def read_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the included file in, and change its links and the page's own."""
    docs, text = Path(app.srcdir), source[0]
    page = Path(app.env.doc2path(docname))
    if page.suffix != ".md":
        return
    found = INCLUDE.search(text)
    origin = page
    if found:
        origin = (page.parent / found[1]).resolve()
        app.env.note_dependency(str(origin))
        text = text[: found.start()] + origin.read_text(encoding="utf-8") + text[found.end() :]
    shown = pages_of(docs)

    def change(link: re.Match[str]) -> str:
        target = (origin.parent / link[2]).resolve()
        target = shown.get(target, target)
        return f"{link[1]}{os.path.relpath(target, page.parent)}{link[3] or ''}"

    source[0] = LINK.sub(change, text)


def pages_of(docs: Path) -> dict[Path, Path]:
    """For each file of the repository that a page shows: that page. The README's is the index, which says the same."""
    pages = {ROOT / "README.md": docs / "index.md"}
    for page in docs.rglob("*.md"):
        if found := INCLUDE.search(page.read_text(encoding="utf-8")):
            pages[(page.parent / found[1]).resolve()] = page
    return pages
