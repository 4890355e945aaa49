"""Imports between the rooms of the package go the one way that docs/architecture.md shows."""

import ast
import re
from pathlib import Path

from tests.training import ROOT

PACKAGE = ROOT / "mirl_mm"
#: Small files that everybody may import; `__version__` is the package's own.
SMALL = {
    *("registry", "config", "structures", "text", "file_backend", "outputs", "limits", "cli", "stopping", "no_space"),
    *("parallel", "bitmaps"),
    *("progress", "machine", "errors"),
    "__version__",
}
#: What could be deleted, folder and tests, without harm to the rest.
WINGS = {"converters", "shapes"}
FILES = [path for path in PACKAGE.rglob("*.py") if ".mim" not in path.parts]


def room(parts: tuple[str, ...]) -> str:
    """``models/layers`` of ``("mirl_mm", "models", "layers", "block")``."""
    inner = (
        parts[1:3] if parts[1:2] == ("models",) and (PACKAGE / "models" / "".join(parts[2:3])).is_dir() else parts[1:2]
    )
    return "/".join(inner)


def imported(path: Path) -> set[str]:
    """Rooms that a file imports from."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        start = package[: len(package) - node.level + 1] if node.level else ()
        parts = start + tuple((node.module or "").split(".") if node.module else ())
        if parts[:1] == ("mirl_mm",):
            found |= {room(parts)} if len(parts) > 1 else {room((*parts, alias.name)) for alias in node.names}
    return found


def documented() -> dict[str, set[str]]:
    """Room to rooms that it may import, of the table."""
    rows = re.findall(r"^\| `([\w/]+)` \|.*\| ([^|]*) \|$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    return {
        name: set(re.findall(r"`([\w/]+)`", others))
        for name, others in rows
        if (PACKAGE / name).exists() or name == "timm"
    }


def test_imports_go_one_way():
    allowed = documented()
    done: dict[str, set[str]] = {}
    while len(done) < len(allowed):  # a room whose imports are all done can be done: without a circle, all can
        ready = {name for name, others in allowed.items() if name not in done and others - {"models"} <= done.keys()}
        assert ready, f"a circle among {sorted(allowed.keys() - done.keys())}"
        done |= {name: allowed[name] for name in ready}


def test_no_import_leaves_the_map():
    allowed = documented()
    assert len(allowed) > 12
    used: dict[str, set[str]] = {name: set() for name in allowed}
    for path in FILES:
        own = room((*path.relative_to(ROOT).with_suffix("").parts,))
        if own not in allowed:
            assert own in SMALL | {"models", "__init__", "__main__"}, f"{path} is in no room of docs/architecture.md"
            continue
        used[own] |= imported(path) - {own} - SMALL
        assert used[own] <= allowed[own], f"{path} imports {sorted(used[own] - allowed[own])}"
    assert used == allowed  # and the map has no more than there is


def test_no_room_imports_a_wing():
    rooms = documented()
    assert rooms.keys() > WINGS
    for name, others in rooms.items():
        assert not others & WINGS, f"{name} imports {sorted(others & WINGS)}, which should register themselves"
