"""The package is a core and wings, and its imports go the one way that docs/architecture.md shows."""

import ast
import re
from pathlib import Path

from tests.training import ROOT

PACKAGE = ROOT / "mirl_mm"
#: Small files at the top of the package, which everybody may import, and its own `__version__`.
SMALL = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__", "timm"} | {"__version__"}
FILES = [path for path in PACKAGE.rglob("*.py") if ".mim" not in path.parts]
TEXT = (ROOT / "docs/architecture.md").read_text()


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


def documented(heading: str = "") -> dict[str, set[str]]:
    """Room to rooms that it may import, of the tables, or of that below a heading."""
    text = re.split(r"^###? ", TEXT.partition(f"### {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| `([\w/]+)` \|.*\| ([^|]*) \|$", text if heading else TEXT, re.MULTILINE)
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


def test_the_core_knows_no_wing_and_wings_only_the_core():
    core, wings = documented("The core"), documented("Wings")
    assert core and wings and not core.keys() & wings.keys()
    assert core.keys() | wings.keys() == documented().keys()
    for name, others in core.items():
        assert others <= core.keys() | {"models"}, f"{name}, of the core, imports a wing"
    reasons = set(re.findall(r"^- `(\w+)` imports `(\w+)`: \w+", TEXT, re.MULTILINE))
    between = {(name, other) for name, others in wings.items() for other in others & wings.keys()}
    assert between == reasons


def test_names_of_tasks_are_not_in_the_core():
    """The core finds wings by the names of their files, and doesn't name one itself."""
    wings = {name for name in documented("Wings") if "/" not in name and name != "timm"}
    for path in FILES:
        own = room((*path.relative_to(ROOT).with_suffix("").parts,))
        if own in documented("The core") or own in SMALL - {"__version__"}:
            strings = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
            assert not strings & {f"mirl_mm.{name}" for name in wings}, path


def test_only_parts_need_mmdet_or_mmseg():
    for path in FILES:
        if not any(part.endswith("_parts") or part == "mmcv_ops" for part in path.parts):
            body = ast.parse(path.read_text()).body
            names = {(node.module or "").split(".")[0] for node in body if isinstance(node, ast.ImportFrom)}
            names |= {alias.name.split(".")[0] for node in body if isinstance(node, ast.Import) for alias in node.names}
            assert not names & {"mmcv", "mmdet", "mmseg"}, path
