"""Runs tools in turn in the same processes, which import torch once: TOOL ARGUMENTS [+ TOOL ARGUMENTS]..."""

import faulthandler
import itertools
import os
import runpy
import sys

from tests.conftest import forget_runs
from tests.training import ROOT

faulthandler.dump_traceback_later(300, exit=True)  # a run that waits for ever says where
os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"  # a store of its own, so a new one, for each run
port = int(os.environ["MASTER_PORT"])
runs = [list(run) for plus, run in itertools.groupby(sys.argv[1:], key="+".__eq__) if not plus]
for number, run in enumerate(runs, start=1):
    sys.argv = run
    os.environ["MASTER_PORT"] = str(port + number)
    forget_runs()
    runpy.run_path(str(ROOT / run[0]), run_name="__main__")
