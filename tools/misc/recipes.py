"""Makes docs/recipes.md, every value of the recipes beside its original's, from the tables in docs/recipes/.

A table (YAML) holds one task: `title`, `about`, `configs` (those that its rows hold for), `originals` (name: repository
and commit, or package and version) and `groups` of rows. A row says `what` it is and where it is found (`at`, which
tests/recipes.py reads), and one of: `value` and `source`, where ours is the original's; `ours`, `original`, `source`
and `why`, where it is another; `ours` and `why`, where there is no original. A source is an original's name, a file of
it and a line. A row may have `configs` of its own, and so may a group: then its rows are under `rows`.

python tools/misc/recipes.py
python tools/misc/recipes.py --check
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mirl_mm.cli import Parser
from mirl_mm.file_backend import write_file
from mirl_mm.text import markdown_table

ROOT = Path(__file__).resolve().parents[2]
FOLDER, PAGE = ROOT / "docs" / "recipes", ROOT / "docs" / "recipes.md"
#: In the page's order.
TABLES = (
    "pretrain",
    "pretrain_mae",
    "finetune",
    "linear_probe",
    "detection",
    "cascade",
    "gfl",
    "segmentation",
    "linear_segmentation",
)
FORMS = (
    {"what", "at", "value", "source"},
    {"what", "at", "ours", "original", "source", "why"},
    {"what", "at", "ours", "why"},
)
SOURCE = re.compile(r"(\w+) (\S+):(\d+)(?:-(\d+))?")
INTRODUCTION = """\
# Recipes, value by value

<!-- made by tools/misc/recipes.py from docs/recipes/*.yml -->

Each value of the recipes, what the original has, and the line that says so. There are {values} values here: {same} are
the original's, {different} are not, with the reason, and {own} have no original. A test holds each of them against the
config as it is resolved, in every config that is named (`tests/test_recipes.py`). *Key* is the place in the config; a
word before it says that the value is found in what the config is made into:

| | |
|---|---|
| `built` | the model |
| `decay of`, `scale of` | a parameter's weight decay, and its share of the learning rate |
| `rate at` | the learning rate, after as many epochs or updates |
| `std of` | the standard deviation of a layer's first weights, as drawn |
| `images per update` | GPUs × `batch_size` × `accumulative_counts` |
"""


class Row(NamedTuple):
    """One value. ``why`` is empty where ours is the original's, ``source`` where there is no original."""

    what: str
    at: str
    ours: Any
    original: Any
    source: str
    why: str
    configs: tuple[str, ...]


class Table(NamedTuple):
    """One task's rows, by group, each with the configs that it holds for unless a row says so itself."""

    name: str
    title: str
    about: str
    configs: tuple[str, ...]
    groups: dict[str, tuple[tuple[str, ...], list[Row]]]

    @property
    def rows(self) -> list[Row]:
        """Those of all groups."""
        return [row for _, rows in self.groups.values() for row in rows]


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the page is out of date")
    args = parser.parse_args()
    text = page(load())
    if PAGE.exists() and PAGE.read_text() == text:
        print("docs/recipes.md is up to date")
    elif args.check:
        raise SystemExit("error: docs/recipes.md is out of date; run python tools/misc/recipes.py")
    else:
        write_file(PAGE, text)
        print("written: docs/recipes.md")


def load() -> list[Table]:
    """All tables, in the page's order; refused if they are not of the form that this file's docstring tells."""
    found = sorted(path.stem for path in FOLDER.glob("*.yml"))
    if found != sorted(TABLES):
        raise ValueError(f"docs/recipes has {found}, and tools/misc/recipes.py lists {sorted(TABLES)}")
    return [read(name) for name in TABLES]


def read(name: str) -> Table:
    """One table."""
    content = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    configs, urls = tuple(content["configs"]), {}  # how an original is cited, and the start of its files' addresses
    for key, each in content["originals"].items():
        if "repository" in each:
            urls[key] = each["name"], f"https://github.com/{each['repository']}/blob/{each['commit']}/"
        else:
            urls[key] = f"{each['package']} {each['version']}", ""
    groups = {}
    for title, group in content["groups"].items():
        rows, own = (group, configs) if isinstance(group, list) else (group["rows"], tuple(group["configs"]))
        where = f"docs/recipes/{name}.yml, {title}"
        groups[title] = own, [row(f"{where}, {each.get('what')!r}", each, own, urls) for each in rows]
    return Table(name, content["title"], content["about"].strip(), configs, groups)


def row(where: str, entry: dict, configs: tuple[str, ...], urls: dict[str, tuple[str, str]]) -> Row:
    """A row, of one of the three forms, whose reason is there if and only if one is due."""
    keys = entry.keys() - {"configs"}
    if keys not in FORMS:
        raise ValueError(f"{where}: has {sorted(keys)}, which is none of {[sorted(form) for form in FORMS]}")
    ours = entry["value"] if "value" in entry else entry["ours"]
    original = entry.get("value", entry.get("original"))
    if "original" in entry and ours == original:
        raise ValueError(f"{where}: ours is the original's, {ours!r}: give it as `value`, without `why`")
    for value in flat([ours, original]):
        if isinstance(value, str) and re.fullmatch(r"[-+.\d]+e[-+]?\d+", value):
            raise ValueError(f"{where}: {value!r} is text to YAML: write 1.0e-4, with the point")
    sources = entry.get("source", [])
    cited = "; ".join(cite(where, each, urls) for each in ([sources] if isinstance(sources, str) else sources))
    named = tuple(entry.get("configs", configs))
    return Row(entry["what"], entry["at"], ours, original, cited, entry.get("why", ""), named)


def cite(where: str, source: str, urls: dict[str, tuple[str, str]]) -> str:
    """A source, linked where it has an address."""
    match = SOURCE.fullmatch(source)
    if match is None or match[1] not in urls:
        raise ValueError(f"{where}: the source {source!r} is no 'NAME FILE:LINE' with a NAME of {sorted(urls)}")
    name, path, first, last = match.groups()
    original, start = urls[name]
    text = f"{original}, `{path}`, {f'{first}–{last}' if last else first}"
    plain = "?plain=1" if path.endswith(".md") else ""
    return f"[{text}]({start}{path}{plain}#L{first}{f'-L{last}' if last else ''})" if start else text


def flat(value: Any) -> list[Any]:
    """The leaves of lists and dicts."""
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for each in value for leaf in flat(each)] if isinstance(value, list) else [value]


def page(tables: list[Table]) -> str:
    """The whole page."""
    rows = [each for table in tables for each in table.rows]
    same = sum(not each.why for each in rows)
    own = sum(not each.source for each in rows)
    counts = {"values": len(rows), "same": same, "own": own, "different": len(rows) - same - own}
    return "\n".join([INTRODUCTION.format(**counts), *map(section, tables)])


def section(table: Table) -> str:
    """A task: what differs, what is our own, and then what is the same, group by group."""
    rows = table.rows
    parts = [f"## {table.title}", table.about, f"Configs: {names(table.configs)}."]
    different = [
        [
            label(each, table.configs),
            show(each.ours),
            show(each.original),
            each.why,
            each.source,
            f"`{each.at}`",
        ]
        for each in rows
        if each.why and each.source
    ]
    own = [[label(each, table.configs), show(each.ours), each.why, f"`{each.at}`"] for each in rows if not each.source]
    if different:
        parts += [
            "**What differs**",
            markdown_table(["", "ours", "original", "why", "original's line", "key"], different),
        ]
    if own:
        parts += ["**What has no original**", markdown_table(["", "ours", "why", "key"], own)]
    for title, (configs, group) in table.groups.items():
        same = [[label(each, configs), show(each.ours), each.source, f"`{each.at}`"] for each in group if not each.why]
        if same:
            of = "" if configs == table.configs else f", of {names(configs)}"
            parts += [f"**The same: {title}**{of}", markdown_table(["", "value", "original's line", "key"], same)]
    return "\n\n".join(parts) + "\n"


def label(entry: Row, configs: tuple[str, ...]) -> str:
    """What a row is, and which configs it holds for if not all of these."""
    return entry.what if entry.configs == configs else f"{entry.what}: {names(entry.configs)}"


def names(configs: tuple[str, ...]) -> str:
    """Links to configs."""
    return ", ".join(f"[`{Path(each).stem}`](../configs/{each})" for each in configs)


def show(value: Any) -> str:
    """A value as Python writes it, numbers in short."""
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(show, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {show(each)}" for name, each in value.items())
    return f"{value:g}" if isinstance(value, float) else f"{value}"


if __name__ == "__main__":
    main()
