"""Text as it lies in data sets: UTF-8 with or without a mark at its start, UTF-16, and what XML says of itself."""

import codecs
import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

#: What a text may begin with, and how it then goes on; the longer ones first, as UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")
#: What files declare, and what they often hold: characters of its larger successor.
_SUCCESSORS = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949"}


class TextError(ValueError):
    """A file whose text can't be read; names it, and what is wrong."""


def read_text(path: str | os.PathLike[str], errors: str = "strict") -> str:
    r"""The text of a file in UTF-8, or in whatever Unicode the mark at its start says, without that mark.

    Lines end in ``\n``, whatever system wrote them.

    Args:
        path: The file.
        errors: What becomes of bytes that are no UTF-8, as in ``bytes.decode``; ``surrogateescape`` for names of files.

    Raises:
        FileNotFoundError: If there is no such file.
        TextError: For other bytes than text.
    """
    return _decoded(Path(path).read_bytes(), path, "utf-8", errors)


def read_lines(path: str | os.PathLike[str], errors: str = "strict") -> list[str]:
    """The lines of :func:`read_text` that hold something, without the space around."""
    return [line.strip() for line in read_text(path, errors).split("\n") if line.strip()]


def read_json(path: str | os.PathLike[str]) -> Any:
    """The content of a JSON file, in any Unicode.

    Raises:
        FileNotFoundError: If there is no such file.
        TextError: If it isn't JSON.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise TextError(f"'{path}' can't be read as JSON ({error}): was it written completely?") from error


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """The content of a YAML file, every value as the text that is written: ``no`` is not False, ``007`` not 7.

    Raises:
        FileNotFoundError: If there is no such file.
        TextError: If it isn't YAML.
    """
    try:
        return yaml.load(read_text(path), Loader=yaml.BaseLoader)  # it makes text, lists and dicts only
    except yaml.YAMLError as error:
        raise TextError(f"'{path}' is no YAML file: {' '.join(str(error).split())}") from error


def read_xml(path: str | os.PathLike[str]) -> ElementTree.Element:
    """The root of an XML file, in the encoding that it declares; the parser alone knows none of several bytes.

    Raises:
        FileNotFoundError: If there is no such file.
        TextError: If it isn't XML, or is in another encoding than it declares.
    """
    data = Path(path).read_bytes()
    match = _DECLARED.match(data)
    declared = match[1].decode().lower() if match else "utf-8"
    if declared.startswith(("utf-16", "utf-32", "ucs")):  # its declaration would not be legible as single bytes
        declared = "utf-8"
    text = _decoded(data, path, declared)
    try:
        # Without its declaration, which speaks of bytes.
        return ElementTree.fromstring(re.sub(r"^\s*<\?xml.*?\?>", "", text, count=1, flags=re.DOTALL))
    except ElementTree.ParseError as error:
        raise TextError(f"'{path}' is no complete XML file ({error})") from error


def _decoded(data: bytes, path: str | os.PathLike[str], encoding: str, errors: str = "strict") -> str:
    mark, encoding = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", encoding))
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise TextError(f"'{path}' declares the encoding {encoding!r}, which is unknown: save it as UTF-8") from None
    try:
        text = data[len(mark) :].decode(_SUCCESSORS.get(name, name), errors)
    except UnicodeDecodeError as error:
        at = f"byte 0x{data[len(mark) + error.start]:02x} at {len(mark) + error.start}"
        raise TextError(
            f"'{path}' is no text in {encoding.upper()} ({at}: {error.reason}): save it as UTF-8"
        ) from error
    if "\0" in text:
        raise TextError(f"'{path}' holds zero bytes: it is no text, or UTF-16 without a mark: save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")
