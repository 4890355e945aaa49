"""Tries to break it: kills, full disks, damaged files, two runs in one folder, long runs. `make stress`.

Each module of tests/stress/campaigns is a campaign: its NAME, and `run(minutes, seed, out_dir)`, which returns rows of
the table. A module's WEIGHT, 1 if it has none, is its share of the time. Campaigns run in processes of their own, two
at a time, forked from this one, which has imported everything: a training then starts in a second.
"""

import argparse
import importlib
import os
import pickle
import pkgutil
import random
import shutil
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType

from tests.stress import campaigns, kills
from tests.stress.table import Row, format_table

EVERY = 15.0  # seconds between two looks at how far the campaigns are


class Campaign:
    """A campaign under way."""

    def __init__(self, module: ModuleType, minutes: float, seed: int, out_dir: Path) -> None:
        self.name, self.minutes, self.out_dir = module.NAME, minutes, out_dir
        self.out_dir.mkdir(parents=True)
        self.rows_file = out_dir / "rows"
        self.pid = os.fork()
        if self.pid == 0:
            self._work(module, seed)

    def _work(self, module: ModuleType, seed: int) -> None:
        try:
            rows = module.run(self.minutes, seed, self.out_dir)
            self.rows_file.write_bytes(pickle.dumps(rows))
        except BaseException:
            (self.out_dir / "traceback").write_text(traceback.format_exc())
        finally:
            os._exit(0)

    def poll(self) -> list[Row] | None:
        """Its rows, when it is done."""
        if os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            return None
        if self.rows_file.exists():
            return pickle.loads(self.rows_file.read_bytes())
        trace = self.out_dir / "traceback"
        lines = trace.read_text().strip().splitlines() if trace.exists() else ["it was killed"]
        return [Row("the campaign itself", 1, {"failed": 1}, False, f"{lines[-1]} ({trace})")]

    @property
    def progress(self) -> str:
        """What it told last."""
        told = self.out_dir / "progress"
        return told.read_text() if told.exists() else "begins"


def find_campaigns(only: list[str]) -> list[ModuleType]:
    """All of them, or those whose names are given, those with most to do first."""
    names = [info.name for info in pkgutil.iter_modules(campaigns.__path__)]
    if unknown := set(only) - set(names):
        sys.exit(f"no campaign {', '.join(sorted(unknown))}: there are {', '.join(names)}")
    modules = [importlib.import_module(f"{campaigns.__name__}.{name}") for name in only or names]
    return sorted(modules, key=weight, reverse=True)


def weight(module: ModuleType) -> float:
    return getattr(module, "WEIGHT", 1.0)


def longest_lane(weights: list[float], jobs: int) -> float:
    """What the busiest of several lanes has to do, if the next campaign begins where one has ended."""
    lanes = [0.0] * jobs
    for each in weights:
        lanes[lanes.index(min(lanes))] += each
    return max(lanes)


def import_all(optional: set[str]) -> None:
    """What the campaigns' processes have without importing it again; no tensor is computed with before they fork."""
    for name in ("mirl_mm.engine.training", "mirl_mm.engine.trackers", "mirl_mm.engine.cli", "mirl_mm.inference"):
        importlib.import_module(name)
    for name in optional:
        importlib.import_module(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long, about; default: 10")
    parser.add_argument("--seed", type=int, help="of all that is random; default: another each time")
    parser.add_argument("--jobs", type=int, default=2, help="campaigns at a time; default: 2")
    parser.add_argument("--out", type=Path, default=Path("build/stress"), help="for logs; what is there is removed")
    parser.add_argument("--at-most", type=int, metavar="N", help="kills of each campaign, for a quick look")
    parser.add_argument("campaigns", nargs="*", help="names of modules of tests/stress/campaigns; default: all")
    args = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if args.seed is None else args.seed
    again = f"python -m tests.stress --seed {seed} --minutes {args.minutes:g} {' '.join(args.campaigns)}".strip()
    print(f"seed {seed}; to repeat it: {again}", flush=True)
    waiting = find_campaigns(args.campaigns)
    if args.at_most is not None:
        kills.MOST = args.at_most
    import_all({name for module in waiting for name in getattr(module, "NEEDS", ())})
    shutil.rmtree(args.out, ignore_errors=True)
    jobs = min(args.jobs, len(waiting))
    share = args.minutes / longest_lane(list(map(weight, waiting)), jobs)
    begun, shown = time.monotonic(), 0.0
    running: list[Campaign] = []
    done: list[tuple[str, Row]] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            module = waiting.pop(0)
            out_dir = (args.out / module.__name__.rpartition(".")[2]).absolute()
            running.append(Campaign(module, share * weight(module), seed, out_dir))
        for campaign in list(running):
            rows = campaign.poll()
            if rows is not None:
                running.remove(campaign)
                done += [(campaign.name, row) for row in rows]
                print(f"{campaign.name}: {'done' if all(row.ok for row in rows) else 'NOT as promised'}", flush=True)
        if time.monotonic() - shown > EVERY:
            shown = time.monotonic()
            left = max(args.minutes - (shown - begun) / 60, 0)
            states = "; ".join(f"{campaign.name}: {campaign.progress}" for campaign in running)
            print(f"{left:.1f} minutes left, {len(waiting)} campaigns to come. {states}", flush=True)
        time.sleep(0.2)
    print(f"\nseed {seed}, {(time.monotonic() - begun) / 60:.1f} minutes\n\n{format_table(done)}")
    if not all(row.ok for _, row in done):
        sys.exit(f"error: not all is as promised; logs are in {args.out}; to repeat it: {again}")


if __name__ == "__main__":
    main()
