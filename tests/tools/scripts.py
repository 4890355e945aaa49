"""Load the scripts of tools/misc, which are no package."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

MISC = Path(__file__).resolve().parents[2] / "tools" / "misc"


def load_script(name: str) -> ModuleType:
    """Import a script as it would be imported by its neighbours."""
    sys.path.insert(0, str(MISC))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(MISC))
