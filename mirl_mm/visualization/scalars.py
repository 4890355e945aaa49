"""Reading the scalars that a run logged."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: What a record of a validation has besides what was measured.
_OTHER = ("step", "time", "data_time")

Points = list[tuple[int, float]]  # (training iteration, value), by rising iteration


@dataclass
class Scalars:
    """What a run logged, by name.

    Attributes:
        train: Name to points.
        val: Name to points; each stands at the training iteration after which it was measured.
    """

    train: dict[str, Points] = field(default_factory=dict)
    val: dict[str, Points] = field(default_factory=dict)


def read_scalars(path: str | Path) -> Scalars:
    """Read a run's ``scalars.json``, or all of them if it was resumed.

    mmengine starts a new file whenever a run is resumed. They are joined in the order of their folders' names, which
    are times; where a later file begins, what an earlier one has from that iteration on (from after its last
    checkpoint) no longer counts.

    Args:
        path: A work dir, one of its time-stamped folders, ``vis_data`` or a ``scalars.json``.

    Raises:
        FileNotFoundError: If there is no log.
        ValueError: If a line is no record of scalars, or there is none at all.
    """
    scalars = Scalars()
    for iteration, record in _joined(path):
        series = scalars.train if "iter" in record else scalars.val
        for name, value in record.items():
            if name not in ("step", "iter", "epoch") and isinstance(value, int | float) and math.isfinite(value):
                series.setdefault(name, []).append((iteration, float(value)))
    if not scalars.train and not scalars.val:
        files = ", ".join(map(str, log_files(path)))
        raise ValueError(f"no scalars have been logged in {files}: has the run begun to train?")
    return scalars


def log_files(path: str | Path) -> list[Path]:
    """The ``scalars.json`` files of a run, by rising time; see :func:`read_scalars`."""
    path = Path(path)
    if path.is_file():
        return [path]
    for pattern in ("scalars.json", "vis_data/scalars.json", "*/vis_data/scalars.json"):
        found = sorted(path.glob(pattern))
        if found:
            return found
    raise FileNotFoundError(
        f"no scalars.json in {str(path)!r}, its vis_data or <time>/vis_data: give a work dir of tools/train.py, whose "
        "visualizer has a LocalVisBackend (the default)"
    )


def read_validations(path: str | Path) -> dict[int, dict[str, float]]:
    """What a run measured in validations, by the epoch or iteration after which it did.

    Args:
        path: See :func:`read_scalars`.

    Raises:
        FileNotFoundError: If there is no log.
        ValueError: If a line is no record of scalars.
    """
    validations = [record for _, record in _joined(path) if "iter" not in record]
    return {each["step"]: {name: each[name] for name in each if name not in _OTHER} for each in validations}


def loss_names(scalars: Sequence[Scalars]) -> list[str]:
    """The loss and its terms, one per pair: names that are ``loss`` or start with ``pair_``, in any of the runs."""
    names = [name for run in scalars for name in (*run.train, *run.val)]
    return [name for name in dict.fromkeys(names) if name == "loss" or name.startswith("pair_")]


def term_title(name: str) -> str:
    """How a scalar is called in a picture: ``pair_1_6`` is ``pair 1+6``, others keep their name."""
    head, *numbers = name.split("_")
    return f"pair {'+'.join(numbers)}" if head == "pair" else name


def _records(file: Path) -> list[dict]:
    lines = file.read_text().splitlines()
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            record["step"]
        except (ValueError, TypeError, KeyError) as error:
            if number == len(lines):
                break  # the run was killed while it wrote this line
            raise ValueError(
                f"{file}, line {number} is no record of scalars with a step: {line[:80]!r}. Give a scalars.json"
            ) from error
        records.append(record)
    return records


def _joined(path: str | Path) -> list[tuple[int, dict]]:
    """The records of all files with their training iterations, which those of validations don't have as ``step``."""
    joined: list[tuple[int, dict]] = []
    for file in log_files(path):
        records = _records(file)
        first = next((record["step"] for record in records if "iter" in record), math.inf)
        joined = [each for each in joined if each[0] < first]
        last = max((iteration for iteration, _ in joined), default=0)
        for record in records:
            last = record["step"] if "iter" in record else last
            joined.append((last, record))
    return joined
