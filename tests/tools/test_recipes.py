"""The tables of docs/recipes are of one form, a reason stands where one is due, and the page shows all of it."""

import pytest
import yaml

from tests.tools.scripts import load_script

tool = load_script("recipes")
ORIGINALS = {
    "code": {"name": "Code", "repository": "someone/code", "commit": "0123456789"},
    "made": {"package": "made", "version": "1.2"},
}
SAME = {"what": "rate", "at": "lr", "value": 0.1, "source": "code train.py:7"}
OTHER = {"what": "rate", "at": "lr", "ours": 0.1, "original": 0.2, "source": "made a/b.py:7-9", "why": "it is better"}
OWN = {"what": "rate", "at": "lr", "ours": 0.1, "why": "nobody has one"}


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    monkeypatch.setattr(tool, "TABLES", ("one",))
    monkeypatch.setattr(tool, "PAGE", tmp_path / "page.md")

    def write(*rows):
        content = {"title": "One", "about": "All.", "configs": ["cls/a.py"], "originals": ORIGINALS}
        (tmp_path / "one.yml").write_text(yaml.safe_dump(content | {"groups": {"First": list(rows)}}))
        return tool.load()

    return write


def test_page(write):
    text = tool.page(write(SAME, OTHER, OWN, SAME | {"configs": ["cls/b.py"]}))
    assert "There are 4 values here: 2 are\nthe original's, 1 are not, with the reason, and 1 have no original" in text
    assert "| rate | 0.1 | 0.2 | it is better | made 1.2, `a/b.py`, 7–9 | `lr` |" in text
    assert "| rate | 0.1 | nobody has one | `lr` |" in text
    link = "[Code, `train.py`, 7](https://github.com/someone/code/blob/0123456789/train.py#L7)"
    assert f"| rate | 0.1 | {link} | `lr` |" in text
    assert f"| rate: [`b`](../configs/cls/b.py) | 0.1 | {link} | `lr` |" in text


def test_a_group_of_its_own_configs(write, tmp_path):
    write(SAME)
    content = yaml.safe_load((tmp_path / "one.yml").read_text())
    content["groups"] = {"First": {"configs": ["cls/b.py"], "rows": [SAME, OWN]}}
    (tmp_path / "one.yml").write_text(yaml.safe_dump(content))
    text = tool.page(tool.load())
    assert "**The same: First**, of [`b`](../configs/cls/b.py)" in text
    assert "| rate: [`b`](../configs/cls/b.py) | 0.1 | nobody has one | `lr` |" in text
    assert "| rate | 0.1 | [Code" in text


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (SAME | {"why": "no"}, "which is none of"),
        ({key: value for key, value in OTHER.items() if key != "why"}, "which is none of"),
        (OTHER | {"original": 0.1}, r"'rate': ours is the original's, 0.1: give it as `value`, without `why`"),
        (SAME | {"value": ["1e-4"]}, "is text to YAML"),
        (SAME | {"source": "code train.py"}, "is no 'NAME FILE:LINE'"),
        (SAME | {"source": "other train.py:7"}, r"with a NAME of \['code', 'made'\]"),
    ],
)
def test_a_row_that_is_refused(write, entry, message):
    with pytest.raises(ValueError, match=message):
        write(entry)


def test_a_table_that_is_not_listed(write, tmp_path):
    write(SAME)
    (tmp_path / "two.yml").write_text("")
    with pytest.raises(ValueError, match=r"has .*'two'.* lists"):
        tool.load()


def test_check(write, monkeypatch, capsys):
    write(SAME)
    monkeypatch.setattr("sys.argv", ["recipes.py", "--check"])
    with pytest.raises(SystemExit, match=r"out of date; run python tools/misc/recipes\.py"):
        tool.main()
    monkeypatch.setattr("sys.argv", ["recipes.py"])
    tool.main()
    monkeypatch.setattr("sys.argv", ["recipes.py", "--check"])
    tool.main()
    assert capsys.readouterr().out.splitlines()[-1] == "docs/recipes.md is up to date"
