"""tools/analysis_tools/detector_memory.py."""

import re

from tests.training import ROOT, run_tool


def test_recomputation_keeps_less():
    configs = [ROOT / f"configs/det/mirl_vitb_{name}coco.py" for name in ("", "24gb_")]
    outcome = run_tool(
        ROOT / "tools/analysis_tools/detector_memory.py", *configs, "--batches", "1", "4", COLUMNS="300", NO_COLOR="1"
    )
    assert outcome.returncode == 0, outcome.stderr[-2000:]
    rows = [
        [float(n) for n in re.findall(r"[\d.]+", row.split(".py")[1])]
        for row in outcome.stdout.splitlines()
        if ".py" in row
    ]
    plain, recomputed = rows
    assert plain[0] == recomputed[0] == 111 and plain[1] == recomputed[1] == 1.7
    assert recomputed[2] < 0.6 * plain[2]
    assert abs(plain[4] - plain[3] - 3 * plain[2]) < 0.3  # three images more
