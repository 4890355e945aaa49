"""Load what the tools import from beside them: scripts of tools/misc, which are no package, the demo, the report."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).resolve().parents[2] / "tools"
MISC = TOOLS / "misc"


def load_script(name: str) -> ModuleType:
    """Import a script of tools/misc as it would be imported by its neighbours."""
    return _load(MISC, name)


def load_demo(name: str) -> ModuleType:
    """Import a part of the demo as tools/demo.py does."""
    return _load(TOOLS, f"demo.{name}")


def load_report(name: str) -> ModuleType:
    """Import a part of the GPU's report as tools/analysis_tools/gpu_report.py does."""
    return _load(TOOLS / "analysis_tools", f"gpu_report.{name}")


def _load(folder: Path, name: str) -> ModuleType:
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
