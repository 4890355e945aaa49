"""Two runs in one work dir: the second is refused, and disturbs nothing; after a kill the folder is free."""

import random
import time
from collections import Counter
from pathlib import Path

from tests.stress.compare import folder_differences
from tests.stress.runs import Trap, start
from tests.stress.small import classifier
from tests.stress.table import Row, tell

NAME = "two runs in one folder"
WEIGHT = 1.0
EPOCHS = 6


def run(minutes: float, seed: int, out_dir: Path) -> list[Row]:
    """Start a second run at random moments of a first; kill the first now and then, and let the second go on."""
    tell(out_dir, "the uninterrupted run")
    job = classifier(out_dir, EPOCHS)
    clock = random.Random(seed)
    end = time.monotonic() + 60 * minutes
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    number = 0
    while not number or time.monotonic() < end:
        work_dir = out_dir / f"{number}"
        trap = Trap(clock)
        trap.kind = "moment"
        arguments = [job.config, "--work-dir", work_dir, "--resume"]
        first = start(arguments, out_dir / f"{number}_first.log", trap.set)
        seconds = clock.uniform(0, 2)
        if trap.is_armed(60):
            time.sleep(seconds)
        kills = clock.random() < 0.5
        if kills:
            first.kill()
            first.wait()
        second_log = out_dir / f"{number}_second.log"
        second = start(arguments, second_log).wait()
        was_over = not kills and first.has_ended()
        first_code = first.wait()
        trap.close()
        said = f"is in use by another run (process {first.pid} on " in second_log.read_text(errors="replace")
        if kills or was_over:
            outcomes["went on after a kill" if kills and second == 0 else "came when the first was through"] += 1
            good = second == 0
        else:
            outcomes["refused by name" if said else "NOT refused by name"] += 1
            good = said and second != 0 and first_code == 0
        found = folder_differences(work_dir, job.whole) if good else [f"exit codes {first_code} and {second}"]
        failures += [f"{second_log}: {each}" for each in found]
        number += 1
        tell(out_dir, f"{number} pairs")
    note = failures[0] if failures else "what they leave is that of an undisturbed run, to the bit"
    return [Row("a second run in the folder of a first", number, dict(outcomes), not failures, note)]
