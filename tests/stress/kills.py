"""SIGKILL, again and again, and the comparison with the run that was left alone."""

import random
import signal
import time
from collections import Counter
from pathlib import Path

from mirl_mm.checkpoint.latest import latest_checkpoint
from tests.stress.compare import folder_differences
from tests.stress.runs import LIMIT, Trap, resumed_at
from tests.stress.small import Job
from tests.stress.table import Row, tell

#: Seconds after a checkpoint in which a random moment lies.
SPAN = 1.5
#: Kills of a campaign at most.
MOST = 10**6
#: Kills of one training at most.
KILLS = 12


def campaign(job: Job, minutes: float, seed: int, out_dir: Path) -> list[Row]:
    """Kill and resume trainings until the time is up, each until it is through.

    Args:
        job: The training.
        minutes: How long.
        seed: Of when and where.
        out_dir: For work dirs and logs; those of trainings that went well are removed.

    Returns:
        A row of kills, and one of the trainings that were compared.
    """
    clock = random.Random(seed)
    end = time.monotonic() + 60 * minutes
    kills: Counter[str] = Counter()
    resumed = lost = runs = same = 0
    failures: list[str] = []
    while (time.monotonic() < end or not runs) and sum(kills.values()) < MOST:
        folder = out_dir / f"run_{runs}"
        folder.mkdir()
        runs += 1
        outcome = one_training(job, clock, folder, min(KILLS, MOST - sum(kills.values())), end)
        kills.update(outcome.kills)
        resumed += outcome.resumed
        lost += outcome.lost
        found = outcome.failures or folder_differences(folder / "work", job.whole)
        same += not found
        failures += [f"{folder}: {each}" for each in found]
        tell(out_dir, f"{sum(kills.values())} kills, {same} of {runs} runs identical")
    total = sum(kills.values())
    where = {f"at {kind}": number for kind, number in sorted(kills.items())}
    note = failures[0] if failures else ""
    return [
        Row("SIGKILL after a checkpoint", total, where, resumed == total and lost == 0 and not failures, note),
        Row("resumed from the last checkpoint", resumed, {"steps lost": lost}, resumed == total and lost == 0),
        Row("compared with the uninterrupted run", runs, {"identical to the bit": same}, same == runs, note),
    ]


class Outcome:
    """What became of one training."""

    def __init__(self) -> None:
        self.kills: Counter[str] = Counter()
        self.resumed = self.lost = 0
        self.failures: list[str] = []


def one_training(job: Job, clock: random.Random, folder: Path, at_most: int, end: float) -> Outcome:
    """Kill a training at most so often, then let it finish; every start after a kill must go on from the last one."""
    outcome, work_dir = Outcome(), folder / "work"
    expected = None
    for number in range(at_most + 1):
        log = folder / f"{number}.log"
        trap = Trap(clock)
        is_last = number == at_most or time.monotonic() > end
        processes = job.begin(work_dir, log, (lambda: None) if is_last else trap.set)
        if is_last:
            died = [process.wait() for process in processes]
        elif trap.kind == "moment":
            if wait_for(trap, processes):
                time.sleep(clock.uniform(0, SPAN))
            for process in clock.sample(processes, len(processes)):
                if process.code is None:
                    process.kill()
            died = [process.wait() for process in processes]
        else:
            died = [processes[0].wait()]
            for process in processes[1:]:  # torchrun would end them
                process.kill()
                process.wait()
        trap.close()
        began = resumed_at(job.log(log))
        if expected is not None:
            outcome.resumed += began is not None
            outcome.lost += expected - (began or 0)
        if died[0] == 0 and not (len(died) > 1 and died[1]):
            return outcome
        if died[0] != -signal.SIGKILL and (len(died) == 1 or died[1] != -signal.SIGKILL):
            outcome.failures.append(f"a training failed by itself: {job.log(log)}")
            return outcome
        outcome.kills[trap.kind] += 1
        last = latest_checkpoint(work_dir)
        expected = None if last is None else int(Path(last).stem.rpartition("_")[2]) * job.iters
        if expected is None:
            outcome.failures.append(f"no checkpoint after a kill: {job.log(log)}")
            return outcome
    return outcome


def wait_for(trap: Trap, processes: list) -> bool:
    """Whether the training comes to where it may be killed before it ends."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if trap.is_armed(0.05):
            return True
        if any(process.has_ended() for process in processes):
            return False
    raise TimeoutError(f"a training hangs: {processes[0].log}")
