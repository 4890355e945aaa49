"""Runs the tools of the installed package, which has them without a checkout.

python -m mirl_mm
python -m mirl_mm train mirl_mm::pretrain/mirl_vits_in1k.py --data-root FOLDER
python -m mirl_mm train --help
"""

import ast
import os
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / ".mim" / "tools"


def main() -> None:
    """Hand over to the tool that was named, or list all of them."""
    tools = find_tools()
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(__doc__)
        for tool, path in tools.items():
            print(f"  {tool:18s}{summary(path)}")
        print(f"\nConfigs: {FOLDER.with_name('configs')}")
        return
    if name not in tools:
        raise SystemExit(f"error: no tool {name!r}; there are {', '.join(tools)}")
    path = tools[name]
    os.environ.setdefault("PYTHON", sys.executable)  # which the shell scripts call
    command = [sys.executable if path.suffix == ".py" else "bash", str(path), *arguments]
    os.execvp(command[0], command)


def find_tools() -> dict[str, Path]:
    """Name and path of each; modules that only others import are none."""
    scripts = (path for path in FOLDER.rglob("*.*") if path.suffix == ".sh" or "\nif __name__ ==" in _text(path))
    return {path.stem: path for path in sorted(scripts, key=lambda path: (len(path.parts), path))}


def summary(path: Path) -> str:
    """What the first line says."""
    text = _text(path)
    if path.suffix == ".sh":
        return text.splitlines()[1].lstrip("# ")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def _text(path: Path) -> str:
    return path.read_text() if path.suffix in (".py", ".sh") else ""


if __name__ == "__main__":
    main()
