"""The registries beside mmengine's."""

import subprocess
import sys


def test_look_ups_of_what_is_not_ours_warn_of_nothing():
    code = (
        "import mirl_mm.config\n"  # names the scope's package, of which mmengine then speaks
        "from mirl_mm.registry import PLAIN\n"
        "assert [registry.get('nothing') for registry in PLAIN] == [None] * len(PLAIN)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "WARNING" not in done.stdout + done.stderr
