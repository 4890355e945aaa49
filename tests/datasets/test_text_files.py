"""Text in the encodings in which data sets come."""

import codecs

import pytest

from mirl_mm.datasets.folder_labels import read_classes
from mirl_mm.datasets.text_files import TextError, read_json, read_lines, read_text, read_xml, read_yaml

TEXT = "Kätzchen\r\nmat\r\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
        TEXT.replace("\r\n", "\r").encode(),
    ],
)
def test_any_unicode_and_any_ends_of_lines(tmp_path, data):
    (tmp_path / "classes.txt").write_bytes(data)
    assert read_text(tmp_path / "classes.txt") == "Kätzchen\nmat\n"
    assert read_classes(str(tmp_path / "classes.txt")) == ("Kätzchen", "mat")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("Kätzchen".encode("latin-1"), r"x.txt' is no text in UTF-8 \(byte 0xe4 at 1: .*\): save it as UTF-8"),
        ("mat".encode("utf-16-le"), "x.txt' holds zero bytes: it is no text, or UTF-16 without a mark"),
    ],
)
def test_what_is_no_text_is_named(tmp_path, data, message):
    (tmp_path / "x.txt").write_bytes(data)
    with pytest.raises(TextError, match=message):
        read_text(tmp_path / "x.txt")


def test_names_of_files_may_be_of_any_bytes(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"caf\xe9 (1)\n\n b \n")
    assert read_lines(tmp_path / "list.txt", "surrogateescape") == ["caf\udce9 (1)", "b"]


XML = '<?xml version="1.0" encoding="{}"?>\n<annotation><name>{}</name></annotation>'


@pytest.mark.parametrize(
    ("declared", "written", "name"),
    [
        ("gb2312", "gb2312", "行人"),
        ("gb2312", "gb18030", "龍"),  # which GB 2312 lacks; the tools that declare it write it all the same
        ("Shift_JIS", "shift_jis", "猫"),
        ("EUC-KR", "euc_kr", "고양이"),
        ("big5", "big5", "貓"),
        ("ISO-8859-1", "latin-1", "Kätzchen"),
        ("utf-16", "utf-16", "行人"),
        ("utf-16", "utf-8", "行人"),  # as .NET writes a text that was declared before it was encoded
        ("utf-8", "utf-8-sig", "行人"),
        ("utf-8", "utf-16", "行人"),  # the mark at its start is right
    ],
)
def test_what_xml_declares(tmp_path, declared, written, name):
    (tmp_path / "a.xml").write_bytes(XML.format(declared, name).encode(written))
    assert read_xml(tmp_path / "a.xml").findtext("name") == name


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (XML.format("utf-8", "行人").encode("gb2312"), "a.xml' is no text in UTF-8"),
        (XML.format("klingon", "x").encode(), "a.xml' declares the encoding 'klingon', which is unknown"),
        (b"<annotation>", "a.xml' is no complete XML file"),
    ],
)
def test_broken_xml_is_named(tmp_path, data, message):
    (tmp_path / "a.xml").write_bytes(data)
    with pytest.raises(TextError, match=message):
        read_xml(tmp_path / "a.xml")


def test_yaml_and_json(tmp_path):
    (tmp_path / "a.yaml").write_text("names: [no, yes, 007, 1.0, on]\nnc: 5\nval:\n", encoding="utf-16")
    assert read_yaml(tmp_path / "a.yaml") == {"names": ["no", "yes", "007", "1.0", "on"], "nc": "5", "val": ""}
    (tmp_path / "a.json").write_text('{"a": [1]}', encoding="utf-8-sig")
    assert read_json(tmp_path / "a.json") == {"a": [1]}
    (tmp_path / "a.json").write_text('{"a": [1')
    with pytest.raises(TextError, match=r"a.json' can't be read as JSON .* was it written completely"):
        read_json(tmp_path / "a.json")
