"""One step of the demo, and what is known of it from one call to the next."""

import hashlib
import json
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import mirl_mm
from mirl_mm.file_backend import AtomicLocalBackend


@dataclass(frozen=True)
class Command:
    """A call of a tool.

    Attributes:
        words: The tool's path in the repository, and its arguments.
        seconds: How long it takes, roughly: of a core like those for which the demo was cut, with nothing else on it.
    """

    words: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        return f"python {shlex.join(self.words)}"


@dataclass(frozen=True)
class Step:
    """A few tools that belong together, called one after the other.

    Attributes:
        name: Short, of letters and underscores; its log and record have this name.
        title: What is shown of it.
        commands: The tools.
        folder: Where all of it goes; the step has it to itself.
        makes: Files that are there when it is done.
        needs: Names of the steps that must be done before.
        configs: Files that decide what it does, besides the commands.
        epochs: Of its training, where that is counted in epochs; 0 otherwise.
    """

    name: str
    title: str
    commands: tuple[Command, ...]
    folder: Path
    makes: tuple[Path, ...]
    needs: tuple[str, ...] = ()
    configs: tuple[Path, ...] = ()
    epochs: int = 0

    @property
    def seconds(self) -> float:
        """How long it takes, roughly."""
        return sum(command.seconds for command in self.commands)


@dataclass
class Record:
    """What was done of a step, and when.

    Attributes:
        fingerprint: Of the step as it was when it began; see :func:`fingerprints`.
        commands: How many of its commands are done.
        cpu: Seconds of processor time.
        spans: When its commands ran, one after the other or in several attempts: pairs of times in seconds.
    """

    fingerprint: str
    commands: int = 0
    cpu: float = 0.0
    spans: list[tuple[float, float]] = field(default_factory=list)

    @property
    def wall(self) -> float:
        """Seconds that it took, however often it was stopped."""
        return sum(end - start for start, end in self.spans)


@dataclass
class Ledger:
    """The records of a demo's steps, as files.

    Attributes:
        folder: Holds ``<step>.json``, and ``<step>.log`` with the output of the step's tools.
        fingerprints: Of each step, by name.
        records: Of those that have begun.
    """

    folder: Path
    fingerprints: dict[str, str]
    records: dict[str, Record] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, steps: Sequence[Step]) -> "Ledger":
        """Read what is there."""
        ledger = cls(folder, fingerprints(steps))
        for step in steps:
            path = folder / f"{step.name}.json"
            if path.is_file():
                content = json.loads(path.read_text())
                content["spans"] = [(start, end) for start, end in content["spans"]]
                ledger.records[step.name] = Record(**content)
        return ledger

    def log(self, step: Step) -> Path:
        """The file with the step's output."""
        return self.folder / f"{step.name}.log"

    def is_done(self, step: Step) -> bool:
        """Whether nothing is left to do: all commands ran as they are now, and what they made is there."""
        record = self.records.get(step.name)
        return (
            record is not None
            and record.fingerprint == self.fingerprints[step.name]
            and record.commands == len(step.commands)
            and all(path.exists() for path in step.makes)
        )

    def begin(self, step: Step) -> Record:
        """The record to go on from.

        Where the step, or one that it needs, has changed since, or what it made has been deleted, it starts afresh, in
        an empty folder: a training must not go on from weights of another one.
        """
        record = self.records.get(step.name)
        stale = record is not None and record.fingerprint != self.fingerprints[step.name]
        if record is None or stale or record.commands == len(step.commands):
            if record is not None and step.folder.exists():
                shutil.rmtree(step.folder)
            self.log(step).unlink(missing_ok=True)
            record = self.records[step.name] = Record(self.fingerprints[step.name])
        self.write(step)
        return record

    def write(self, step: Step) -> None:
        """Keep a step's record."""
        content = json.dumps(asdict(self.records[step.name]), indent=1)
        AtomicLocalBackend().put_text(content, self.folder / f"{step.name}.json")


def fingerprints(steps: Sequence[Step]) -> dict[str, str]:
    """Of each step a hash of all that decides what comes out of it: its commands, its configs and the steps before."""
    found: dict[str, str] = {}
    for step in steps:
        configs = [hashlib.sha256(path.read_bytes()).hexdigest() for path in step.configs]
        parts = [
            mirl_mm.__version__,
            [command.words for command in step.commands],
            configs,
            [found[name] for name in step.needs],
        ]
        found[step.name] = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return found
