"""The last checkpoint, or the file that names it, is damaged: a run goes on from the newest whole one."""

import random
import shutil
import time
from collections import Counter
from pathlib import Path

from tests.stress.compare import differences, folder_differences
from tests.stress.runs import Process, resumed_at
from tests.stress.small import classifier, finish
from tests.stress.table import Row, tell

NAME = "damaged last checkpoint"
WEIGHT = 1.5
EPOCHS = 6

HOWS = ("cut", "emptied", "zeroed in part", "a bit flipped", "overwritten in part", "pointer emptied", "pointer binary")
#: Damages of each kind that are only looked at, for each that is trained on from.
LOOKS = 40


def run(minutes: float, seed: int, out_dir: Path) -> list[Row]:
    """Damage, look what would be resumed, and now and then train on to the end and compare."""
    tell(out_dir, "the uninterrupted run")
    job = classifier(out_dir, EPOCHS)
    last = job.whole / f"epoch_{EPOCHS}.pth"
    clock = random.Random(seed)
    end = time.monotonic() + 60 * minutes
    looks: Counter[str] = Counter()
    trained: Counter[str] = Counter()
    failures: list[str] = []
    number = 0
    while number < len(HOWS) or time.monotonic() < end:
        how = HOWS[number % len(HOWS)]
        folder = out_dir / f"{number}"
        for _ in range(LOOKS if number < len(HOWS) else 1):
            outcome = look(job.whole, last, folder, how, clock)
            looks[outcome] += 1
            if outcome.startswith("NOT"):
                failures.append(f"{folder}: {how}: {outcome}")
                break
        else:
            log = out_dir / f"{number}.log"
            code = finish(job, folder, log)
            found = [f"exit code {code}"] if code else folder_differences(folder, job.whole)
            trained["identical to the bit" if not found else "NOT identical"] += 1
            failures += [f"{log}: {each}" for each in found]
            if not found:
                shutil.rmtree(folder)
                assert resumed_at(log) is not None
        number += 1
        tell(out_dir, f"{looks.total()} looked at, {trained.total()} trained on from")
    note = failures[0] if failures else ""
    good = not failures
    return [
        Row("damages: what would be resumed", looks.total(), dict(looks), good, note),
        Row("damages: trained to the end and compared", trained.total(), dict(trained), good, note),
    ]


def look(whole: Path, last: Path, folder: Path, how: str, clock: random.Random) -> str:
    """Damage a copy of a run; what is resumed from, in words that begin with NOT if it is wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    path = folder / ("last_checkpoint" if how.startswith("pointer") else last.name)
    (folder / "last_checkpoint").write_text(str(folder / last.name))
    damage(path, how, clock)
    answer = folder / "answer"

    def ask() -> None:
        from mirl_mm.checkpoint.training_state import read_whole
        from mirl_mm.engine.resume_checkpoint import find_resumed

        found = find_resumed(folder)
        assert found is not None
        read_whole(found)
        answer.write_text(Path(found).name)

    process = Process(ask, folder / "look.log")
    if process.wait() != 0:
        return "NOT resumed"
    found = answer.read_text()
    if found != last.name:
        kept = (folder / f"{last.name}.damaged").exists()
        return "the one before, the damaged kept aside" if kept else "NOT kept aside"
    harmless = how.startswith("pointer") or not differences(folder / found, last)
    return "the last, which holds the same" if harmless else "NOT noticed"


def damage(path: Path, how: str, clock: random.Random) -> None:
    """Do it."""
    content = bytearray(path.read_bytes())
    start = clock.randrange(len(content))
    stop = min(start + clock.choice((1, 64, 4096)), len(content))
    if how == "cut":
        del content[start:]
    elif how.endswith("emptied"):
        content.clear()
    elif how == "zeroed in part":
        content[start:] = bytes(len(content) - start)
    elif how == "a bit flipped":
        content[start] ^= 1 << clock.randrange(8)
    elif how == "overwritten in part":
        content[start:stop] = clock.randbytes(stop - start)
    else:
        content[:] = clock.randbytes(60)
    path.write_bytes(content)
