"""A disk that fills up, and a limit on the size of files: one line, nothing damaged, and on again with room."""

import random
import resource
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirl_mm.checkpoint.latest import latest_checkpoint
from tests.stress.compare import folder_differences
from tests.stress.small import Job, classifier, finish
from tests.stress.table import Row, tell

NAME = "full disk"
WEIGHT = 1.0
EPOCHS = 6


def run(minutes: float, seed: int, out_dir: Path) -> list[Row]:
    """A limit on files somewhere around a checkpoint's size; disks with room for one to six checkpoints."""
    tell(out_dir, "the uninterrupted run")
    job = classifier(out_dir, EPOCHS)
    size = (job.whole / f"epoch_{EPOCHS}.pth").stat().st_size
    clock = random.Random(seed)
    half = time.monotonic() + 30 * minutes
    rows = [limited_files(job, size, clock, half, out_dir)]
    with small_disk(10) as disk:
        if disk is None:
            return [*rows, Row("a full disk", 0, {"left out": 1}, True, "no disk can be mounted here: that needs root")]
    return [*rows, full_disks(job, size, clock, half + 30 * minutes, out_dir)]


def limited_files(job: Job, size: int, clock: random.Random, end: float, out_dir: Path) -> Row:
    """Trainings under a limit that the first or a later checkpoint exceeds."""
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    number = 0
    while not number or time.monotonic() < end:
        limit = round(size * clock.uniform(0.9, 1.01))

        def limited(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        work_dir, log = out_dir / f"files_{number}", out_dir / f"files_{number}.log"
        code = job.begin(work_dir, log, limited)[0].wait()
        check(job, work_dir, log, code, "a file may have", outcomes, failures)
        number += 1
        tell(out_dir, f"{number} limits on files")
    return Row("a limit on the size of files", number, dict(outcomes), not failures, (failures or [""])[0])


def full_disks(job: Job, size: int, clock: random.Random, end: float, out_dir: Path) -> Row:
    """Trainings on small disks, which then get larger."""
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    number = 0
    while not number or time.monotonic() < end:
        with small_disk(round(size * clock.uniform(1.2, 7))) as disk:
            assert disk is not None
            log = out_dir / f"disk_{number}.log"
            code = job.begin(disk / "work", log)[0].wait()
            saved = out_dir / f"disk_{number}"
            shutil.copytree(disk / "work", saved)
        (saved / ".lock").unlink(missing_ok=True)
        check(job, saved, log, code, "the disk is full", outcomes, failures)
        number += 1
        tell(out_dir, f"{number} small disks")
    return Row("a full disk", number, dict(outcomes), not failures, (failures or [""])[0])


def check(
    job: Job, work_dir: Path, log: Path, code: int, why: str, outcomes: Counter[str], failures: list[str]
) -> None:
    """It ended in one line, or came through; then it goes on to the end, and all is the same."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    told = code == 1 and lines[-1].startswith("error: can't write ") and why in lines[-1] and "Traceback" not in lines
    outcomes["stopped in one line" if told else "came through" if code == 0 else "NOT in one line"] += 1
    if not told and code:
        failures.append(f"{log}: {lines[-1]}")
        return
    last = latest_checkpoint(work_dir)
    if code:
        outcomes["then resumed" if last else "then begun again"] += 1
    again = log.with_name(f"{log.stem}_again.log")
    code = finish(job, work_dir, again)
    found = [f"exit code {code}"] if code else folder_differences(work_dir, job.whole)
    failures += [f"{again}: {each}" for each in found]


@contextmanager
def small_disk(size: int) -> Iterator[Path | None]:
    """A disk in memory with so many bytes; None where none can be mounted."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        try:
            mounted = subprocess.run(command, capture_output=True).returncode == 0
        except FileNotFoundError:
            mounted = False
        try:
            yield Path(folder) if mounted else None
        finally:
            if mounted:
                subprocess.run(["umount", folder], check=True)
