"""Small pieces of HTML. Text that comes in is escaped; names that end in ``html`` are HTML already."""

import base64
import html
import io
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

escape = html.escape


def tag(name: str, inner_html: str, **attributes: str) -> str:
    """An element; ``class_`` is the attribute ``class``."""
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{given}>{inner_html}</{name}>"


def text(name: str, content: str, **attributes: str) -> str:
    """An element with text."""
    return tag(name, escape(content), **attributes)


def section(key: str, title: str, *parts_html: str) -> str:
    """A part of the page, with its heading."""
    return tag("section", text("h2", title) + "\n".join(parts_html), id=key)


def figure(inner_html: str, caption_html: str, **attributes: str) -> str:
    """Something to look at, and what it is."""
    return tag("figure", inner_html + tag("figcaption", caption_html), **attributes)


def image(content: bytes | np.ndarray, alt: str, **attributes: str) -> str:
    """A PNG file's content, or pixels ``(H, W, 3)`` uint8, as a picture within the page."""
    png = content if isinstance(content, bytes) else encode(content)
    height, width = Image.open(io.BytesIO(png)).size[::-1]
    data = base64.b64encode(png).decode()
    given = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    return f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}" width="{width}" height="{height}"{given}>'


def encode(pixels: np.ndarray) -> bytes:
    """``(H, W, 3)`` uint8 -> a small PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def table(head: Sequence[str], rows_html: Iterable[Sequence[str]], caption: str = "", **attributes: str) -> str:
    """A table; the first cell of each row is its heading. It scrolls within itself where the page is narrow."""
    header = tag("thead", tag("tr", "".join(text("th", cell, scope="col") for cell in head)))
    lines = []
    for first, *rest in rows_html:
        lines.append(tag("tr", tag("th", first, scope="row") + "".join(tag("td", cell) for cell in rest)))
    caption_html = text("caption", caption) if caption else ""
    inner = tag("table", caption_html + header + tag("tbody", "\n".join(lines)), **attributes)
    return tag("div", inner, class_="scroll", tabindex="0")


def details(summary_html: str, *parts_html: str) -> str:
    """Something that opens when it is clicked."""
    return tag("details", tag("summary", summary_html) + "\n".join(parts_html))


def code(content: str) -> str:
    """Lines as they are."""
    return tag("pre", text("code", content), tabindex="0")
