"""One step of a study or of the demo: a tool's process, and what is known of it from one call to the next."""

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config

import mirl_mm
from mirl_mm.config import config_path
from mirl_mm.file_backend import write_file
from mirl_mm.visualization.scalars import read_scalars

_GRACE = 8.0  # seconds for a process to end before it is killed


class StepFailed(Exception):
    """A tool ended with an error; says which, and its last words."""


@dataclass(eq=False)
class Step:
    """A call of a tool. What was done of it before is read when it is made.

    Attributes:
        work_dir: The study's; a step has the folder with its name there, and its record and log are in ``steps``.
        name: Of a file.
        title: What is shown of it.
        command: What Python is called with: a tool's path, or ``-m mirl_mm`` and its name, and its arguments.
        seconds: How long it takes, roughly, on a core or GPU with nothing else on it.
        makes: A file in its folder that is there when it is done; of none if empty.
        needs: The steps that must be done before.
        config: The config file of a training.
        updates: Of a training; 0 for other tools.
        kind: Steps of one kind take about equally long.
        ended: Whether it has ended without an error.
        cpu: Seconds of processor time that it took; attempts that were killed together with us are not in it.
        spans: When it ran, in one or several attempts: seconds since the study began, without the study's pauses.
        changed: What is other than when it was run before: dotted settings, with both values.
    """

    work_dir: Path
    name: str
    title: str
    command: str
    seconds: float
    makes: str = ""
    needs: tuple["Step", ...] = ()
    config: str | Path | None = None
    updates: int = 0
    kind: str = ""
    ended: bool = False
    cpu: float = 0.0
    spans: list[list[float]] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder, self.record = self.work_dir / self.name, self.work_dir / "steps" / f"{self.name}.json"
        self.log, self.words = self.record.with_suffix(".log"), shlex.split(self.command)
        if self.record.is_file():
            kept = json.loads(self.record.read_text())
            self.changed = differences(kept.pop("settings", {}), self.settings)
            if not self.changed:
                vars(self).update(kept)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All that decides what comes out of it: its command, its config and the steps before, as JSON keeps them."""
        cfg = Config.fromfile(config_path(self.config), import_custom_modules=False) if self.config else None
        return {
            "version": mirl_mm.__version__,
            "command": [word.replace(str(self.work_dir), "<study>") for word in self.words],
            "config": {} if cfg is None else json.loads(json.dumps(cfg.to_dict(), default=str)),
            "needs": {step.name: step.fingerprint for step in self.needs},
        }

    @property
    def fingerprint(self) -> str:
        """A hash of the settings."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def done(self) -> bool:
        """Whether nothing is left to do: it ran as it is now, and what it made is there."""
        return self.ended and (not self.makes or (self.folder / self.makes).exists())

    @property
    def wall(self) -> float:
        """Seconds that it took, however often it was stopped."""
        return sum(end - start for start, end in self.spans)

    def start(self, now: float, hold: Sequence[int] = (), environment: Mapping[str, str] | None = None) -> None:
        """Go on with it.

        Where the step, or one that it needs, has changed since, or what it made has been deleted, it starts afresh, in
        an empty folder: a training must not go on from weights of another one.

        Args:
            now: The time for :attr:`spans`.
            hold: File descriptors that the tool keeps open: a lock, should this process be killed.
            environment: Variables for the tool, besides ours.
        """
        if self.ended or not self.spans:
            if self.folder.is_symlink():  # adopted
                self.folder.unlink()
            elif self.record.exists():  # else the folder isn't ours
                shutil.rmtree(self.folder, ignore_errors=True)
            self.log.unlink(missing_ok=True)
            self.ended, self.cpu, self.spans = False, 0.0, []
        self.spans.append([now, now])
        self.keep()
        with self.log.open("a") as log:
            output: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
            # One thread each, unless the user wants more: the models are so small that two threads on two idle cores
            # are but a fifth faster than one; two trainings side by side use both cores whole.
            variables = {"OMP_NUM_THREADS": "1", **os.environ, **(environment or {})}
            path = [str(Path(mirl_mm.__file__).parents[1]), *filter(None, [variables.get("PYTHONPATH")])]
            variables["PYTHONPATH"] = os.pathsep.join(path)  # the tools' package is this one, from any folder
            alone: dict[str, Any] = {"env": variables, "start_new_session": True}  # we hand Ctrl-C on
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
        self.keep()
        if not self.done:
            last = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
            tool = " ".join(self.words[1:3] if self.words[0] == "-m" else self.words[:1])
            raise StepFailed(f"{tool} ended with exit code {code}; all of its output is in {self.log}\n{last}")
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
            return min((self.spans[-1][1] - self.spans[-1][0]) / self.seconds, 0.95) if self.spans else 0.0, ""
        try:
            update, loss = read_scalars(self.folder).train["loss"][-1]
        except (FileNotFoundError, ValueError, KeyError):  # it has not said anything yet
            return 0.0, ""
        return min(update / self.updates, 1.0), f"loss {loss:.3f}"

    def keep(self) -> None:
        """Write the record."""
        content = {"ended": self.ended, "cpu": self.cpu, "spans": self.spans, "settings": self.settings}
        write_file(self.record, json.dumps(content, indent=1))


def command(*words: object, options: Mapping[str, object] | None = None) -> str:
    """A tool's call from any folder: its name, its arguments, and what ``--cfg-options`` overrides."""
    overrides = ["--cfg-options", *(f"{key}={value}" for key, value in options.items())] if options else []
    return shlex.join(map(str, ("-m", "mirl_mm", *words, *overrides)))


def differences(before: Any, now: Any, place: str = "") -> list[str]:
    """Where two settings, as JSON has them, differ: ``config.train_cfg.max_epochs: 20, now 10``."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = dict.fromkeys((*before, *now))
        deeper = (differences(before.get(key), now.get(key), f"{place}.{key}" if place else key) for key in keys)
        return [each for found in deeper for each in found]
    return [] if before == now else [f"{place}: {json.dumps(before)}, now {json.dumps(now)}"]
