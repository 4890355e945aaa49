"""A step that runs: its processes, what they print, and how far they are."""

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .step import Command, Record, Step

_EPOCH = re.compile(r"Epoch\(train\)\s+\[\s*(\d+)\]\[\s*(\d+)/(\d+)\]")
_ITER = re.compile(r"Iter\(train\)\s+\[\s*(\d+)/(\d+)\]")
_LOSS = re.compile(r"\bloss: (\S+)")
_GRACE = 8.0  # seconds for a process to end before it is killed


class StepFailed(Exception):
    """A tool ended with an error; says which, and its last words."""


class RunningStep:
    """Runs a step's commands one after the other, each in a process group of its own.

    Args:
        step: The step.
        record: How far it is; kept up to date.
        log: Gets what the tools print.
        hold: File descriptors that the processes keep open: a lock, should this process be killed.

    Attributes:
        fraction: How much of the current command is done, if it is a training that has said so.
        loss: What a training said last.
        evidence: (expected, taken) seconds of what was done since this object was made, to learn the machine's pace.
    """

    def __init__(self, step: Step, record: Record, log: Path, hold: Sequence[int] = ()) -> None:
        self.step, self.record, self.log, self.hold = step, record, log, tuple(hold)
        self.evidence = (0.0, 0.0)
        self._start()

    @property
    def command(self) -> Command:
        """The one that runs."""
        return self.step.commands[self.record.commands]

    @property
    def seconds(self) -> float:
        """Since the current command was started, this time."""
        return time.monotonic() - self._started

    def poll(self) -> bool:
        """Look at the process, and start the next one when it has ended; returns whether the step is done.

        Raises:
            StepFailed: If a tool fails.
        """
        before = _children_seconds()
        code = self.process.poll()
        self._read()
        if code is None:
            return False
        self._account(_children_seconds() - before)
        if code:
            raise StepFailed(self._failure(code))
        self._learn(1.0)
        self.record.commands += 1
        if self.record.commands == len(self.step.commands):
            return True
        self._start()
        return False

    def interrupt(self) -> None:
        """Press Ctrl-C for it."""
        self._signal(signal.SIGINT)

    def end(self, patience: float = _GRACE) -> None:
        """Wait for an interrupted step; after ``patience`` seconds, kill what is left of it."""
        if self.process.returncode is not None:  # it has failed, and was accounted for
            return
        before = _children_seconds()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        self._signal(signal.SIGKILL)
        self.process.wait()
        self._account(_children_seconds() - before)

    def _start(self) -> None:
        self.fraction: float | None = None
        self.loss: str | None = None
        self._started = time.monotonic()
        self._seen = (0.0, self._started)  # the first fraction, and when it was reached; a resumed training's is not 0
        with self.log.open("a") as output:
            output.write(f"$ {self.command}\n")
            output.flush()
            self._position = output.tell()
            self.process = subprocess.Popen(
                [sys.executable, *self.command.words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(),
                start_new_session=True,  # Ctrl-C reaches us alone, and we hand it on
                pass_fds=self.hold,
            )

    def _read(self) -> None:
        """Take progress and loss from the lines that are new."""
        with self.log.open("rb") as output:
            output.seek(self._position)
            text = output.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            fraction = training_fraction(line, self.step.epochs)
            if fraction is None:
                continue
            if self.fraction is None:
                self._seen = (fraction, time.monotonic())
            self.fraction = fraction
            found = _LOSS.search(line)
            self.loss = found[1] if found else self.loss
            self._learn(fraction)

    def _learn(self, fraction: float) -> None:
        first, then = self._seen
        now = time.monotonic()
        expected, taken = self.evidence
        self.evidence = (expected + (fraction - first) * self.command.seconds, taken + now - then)
        self._seen = (fraction, now)

    def _account(self, cpu: float) -> None:
        now = time.time()
        self.record.spans.append((now - self.seconds, now))
        self.record.cpu += cpu

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # the group is gone
            os.killpg(self.process.pid, number)

    def _failure(self, code: int) -> str:
        text = self.log.read_text(errors="replace").rpartition("$ python ")[2]
        last = "\n".join(text.splitlines()[-20:])
        return f"{self.command.words[0]} ended with exit code {code}; all of its output is in {self.log}\n{last}"


def training_fraction(line: str, epochs: int) -> float | None:
    """How much of a training is done by a line of mmengine's log; None if it doesn't say.

    Args:
        line: Of the log.
        epochs: Of the whole training, which lines of epochs don't tell.
    """
    if found := _EPOCH.search(line):
        epoch, step, steps = map(int, found.groups())
        return (epoch - 1 + step / steps) / epochs if epochs else None
    if found := _ITER.search(line):
        return int(found[1]) / int(found[2])
    return None


def environment() -> dict[str, str]:
    """Of the tools: one thread for each, unless the user wants more.

    The models are so small that two threads on two idle cores are but a fifth faster than one; two trainings side by
    side use both cores whole.
    """
    return {"OMP_NUM_THREADS": "1", **os.environ}


def _children_seconds() -> float:
    """Processor time of all processes that we started and that have ended, with theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
