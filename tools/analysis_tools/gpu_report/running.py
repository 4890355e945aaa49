"""Runs the parts in processes of their own, kills those that take too long, and always has a report."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from .plan import Part
from .record import CUT, FAILED, LEFT_OUT, RUNNING, Record, read_record
from .schedule import next_part

_TICK = 0.2  # seconds
#: Seconds that must be left of the whole for a part to be started: less than its imports would take.
LEAST = 15.0


class Settings(NamedTuple):
    """How the parts are run.

    Attributes:
        tool: The command's file, which also runs a single part.
        work_dir: For everything.
        rehearse: Everything small, on the CPU.
        jobs: Parts at a time.
        deadline: When all have to be over, in seconds since the epoch.
        memory: Gigabytes of the GPU.
        limit: Seconds after which any part is killed, in place of the plan's.
    """

    tool: Path
    work_dir: Path
    rehearse: bool
    jobs: int
    deadline: float
    memory: float
    limit: float | None = None


class _Running:
    """A part's process."""

    def __init__(self, part: Part, settings: Settings) -> None:
        self.part = part
        self.file = settings.work_dir / "parts" / f"{part.name}.json"
        self.log = self.file.with_suffix(".log")
        self.limit = settings.limit or part.limit
        command = [sys.executable, str(settings.tool), "--part", part.name, "--work-dir", str(settings.work_dir)]
        self.file.unlink(missing_ok=True)
        self.record = Record(self.file, part.name)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command + (["--rehearse"] if settings.rehearse else []),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # all that it starts is of its group, and ends with it
                env=os.environ | ({"CUDA_VISIBLE_DEVICES": ""} if settings.rehearse else {}),
            )

    def over(self) -> bool:
        """Whether its process has ended, or has been killed as it took too long."""
        if self.process.poll() is None:
            content = read_record(self.file)
            since = content["waiting_since"]
            waited = content["waited"] + (time.time() - since if since else 0)
            if time.time() - content["started"] - waited < self.limit:
                return False
            self.kill(f"killed at its limit of {self.limit:.0f} s")
            return True
        self._reap()
        if read_record(self.file)["state"] == RUNNING:
            self._end(FAILED, f"its process ended with exit code {self.process.returncode}: see {self.log.name}")
        return True

    def kill(self, why: str) -> None:
        """End it and all that it started; what it has written stays."""
        self._reap()
        self.process.wait()
        if read_record(self.file)["state"] == RUNNING:
            self._end(CUT, why)

    def _reap(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _end(self, state: str, why: str) -> None:
        self.record.content = read_record(self.file)
        self.record.end(state, why)


def run_parts(parts: Sequence[Part], settings: Settings, tell: Callable[[Part, dict], None]) -> None:
    """Run parts, in their order, until all are done or the time is up.

    Args:
        parts: What to run.
        settings: How.
        tell: Called with each part and its record's content when it is over.
    """
    waiting, running = list(parts), []

    def told(part: Part) -> None:
        tell(part, read_record(settings.work_dir / "parts" / f"{part.name}.json"))

    def leave_out(part: Part, why: str) -> None:
        file = settings.work_dir / "parts" / f"{part.name}.json"
        file.unlink(missing_ok=True)
        Record(file, part.name).end(LEFT_OUT, why)
        told(part)

    try:
        while waiting or running:
            for each in [each for each in running if each.over()]:
                running.remove(each)
                told(each.part)
            if time.time() > settings.deadline:
                break
            if lacking := next((part for part in waiting if part.missing), None):
                waiting.remove(lacking)
                leave_out(lacking, f"not installed: {', '.join(lacking.missing)}")
            elif waiting and settings.deadline - time.time() < LEAST:
                leave_out(waiting.pop(0), "no time was left")
            elif part := next_part(waiting, [each.part for each in running], settings.jobs, settings.memory):
                waiting.remove(part)
                running.append(_Running(part, settings))
            else:
                time.sleep(_TICK)
        why = "killed when the time for all was over"
    except KeyboardInterrupt:
        why = "interrupted"
    for each in running:
        each.kill(why)
        told(each.part)
    for part in waiting:
        leave_out(part, why.replace("killed", "not started,"))
