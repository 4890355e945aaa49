"""One step of the demo: a tool's process, and what is known of it from one call of the demo to the next."""

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mmengine.config import Config

import mirl_mm
from mirl_mm.file_backend import write_file
from mirl_mm.visualization.scalars import read_scalars

_GRACE = 8.0  # seconds for a process to end before it is killed


class StepFailed(Exception):
    """A tool ended with an error; says which, and its last words."""


@dataclass(eq=False)
class Step:
    """A call of a tool. What was done of it before is read when it is made.

    Attributes:
        work_dir: The demo's; a step has the folder with its name there, and its record and log are in ``steps``.
        name: Of letters and underscores.
        title: What is shown of it.
        command: The tool's path in the repository, and its arguments.
        seconds: How long it takes, roughly: of a core like those for which the demo was cut, with nothing else on it.
        makes: A file in its folder that is there when it is done; of none if empty.
        needs: The steps that must be done before.
        config: The config file of a training.
        updates: Of a training; 0 for other tools.
        ended: Whether it has ended without an error.
        cpu: Seconds of processor time that it took.
        spans: When it ran, in one or several attempts: seconds since the demo began, without the demo's pauses.
    """

    work_dir: Path
    name: str
    title: str
    command: str
    seconds: float
    makes: str = ""
    needs: tuple["Step", ...] = ()
    config: Path | None = None
    updates: int = 0
    ended: bool = False
    cpu: float = 0.0
    spans: list[list[float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder, self.record = self.work_dir / self.name, self.work_dir / "steps" / f"{self.name}.json"
        self.log, self.words = self.record.with_suffix(".log"), shlex.split(self.command)
        kept = json.loads(self.record.read_text()) if self.record.is_file() else {}
        if kept.pop("fingerprint", None) == self.fingerprint:
            vars(self).update(kept)

    @cached_property
    def config_text(self) -> str:
        """The config, after all that it inherits, each with its path in the repository."""
        if self.config is None:
            return ""
        return Config.fromfile(self.config, import_custom_modules=False).text.replace(f"{Path.cwd()}/", "")

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all that decides what comes out of it: its command, its config and the steps before."""
        parts = [mirl_mm.__version__, self.words, self.config_text, [step.fingerprint for step in self.needs]]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def done(self) -> bool:
        """Whether nothing is left to do: it ran as it is now, and what it made is there."""
        return self.ended and (not self.makes or (self.folder / self.makes).exists())

    @property
    def wall(self) -> float:
        """Seconds that it took, however often it was stopped."""
        return sum(end - start for start, end in self.spans)

    def start(self, now: float, hold: Sequence[int] = ()) -> None:
        """Go on with it.

        Where the step, or one that it needs, has changed since, or what it made has been deleted, it starts afresh, in
        an empty folder: a training must not go on from weights of another one.

        Args:
            now: The time for :attr:`spans`.
            hold: File descriptors that the tool keeps open: a lock, should this process be killed.
        """
        if self.ended or not self.spans:
            if self.record.exists():  # else the folder isn't ours
                shutil.rmtree(self.folder, ignore_errors=True)
            self.log.unlink(missing_ok=True)
            self.ended, self.cpu, self.spans = False, 0.0, []
        self.spans.append([now, now])
        self._keep()
        with self.log.open("a") as log:
            output = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
            # One thread each, unless the user wants more: the models are so small that two threads on two idle cores
            # are but a fifth faster than one; two trainings side by side use both cores whole.
            alone = {"env": {"OMP_NUM_THREADS": "1", **os.environ}, "start_new_session": True}  # we hand Ctrl-C on
            self.process = subprocess.Popen([sys.executable, *self.words], pass_fds=tuple(hold), **output, **alone)

    def poll(self, now: float, patience: float = 0.0) -> bool:
        """Whether it has ended; keeps the record then.

        Raises:
            StepFailed: If it has failed.
        """
        before = os.times()  # its third and fourth: of children that have ended, and theirs
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        code, after, self.spans[-1][1] = self.process.returncode, os.times(), now
        if code is None:
            return False
        self.cpu += sum(after[2:4]) - sum(before[2:4])
        self.ended = code == 0
        self._keep()
        if not self.done:
            last = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
            raise StepFailed(f"{self.words[0]} ended with exit code {code}; all of its output is in {self.log}\n{last}")
        return True

    def signal(self, number: int) -> None:
        """Press Ctrl-C for it, or the like."""
        with contextlib.suppress(ProcessLookupError):  # the group is gone
            os.killpg(self.process.pid, number)

    def end(self, now: float) -> None:
        """Wait for it after Ctrl-C, and after a while kill what is left of it."""
        for _ in range(2 if self.process.returncode is None else 0):  # else it has failed
            with contextlib.suppress(StepFailed):
                self.poll(now, _GRACE)
            self.signal(signal.SIGKILL)

    def progress(self) -> tuple[float, str]:
        """The share that is done, and a training's loss: from its log, of other tools from the time they take."""
        if not self.updates:
            return min((self.spans[-1][1] - self.spans[-1][0]) / self.seconds, 0.95), ""
        try:
            update, loss = read_scalars(self.folder).train["loss"][-1]
        except (FileNotFoundError, ValueError, KeyError):  # it has not said anything yet
            return 0.0, ""
        return min(update / self.updates, 1.0), f"loss {loss:.3f}"

    def _keep(self) -> None:
        content = {"fingerprint": self.fingerprint, "ended": self.ended, "cpu": self.cpu, "spans": self.spans}
        write_file(self.record, json.dumps(content))
