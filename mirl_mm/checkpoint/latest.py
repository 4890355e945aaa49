"""Finding the checkpoint to go on from."""

import errno
import re
from pathlib import Path
from typing import NamedTuple

from .integrity import check_checkpoint

_NUMBERED = re.compile(r"(epoch|iter)_(\d+)\.pth")


class Latest(NamedTuple):
    """The newest whole checkpoint of a run.

    Attributes:
        checkpoint: Its path; None if the run has none yet.
        problems: What is wrong with newer ones, by their paths, ``last_checkpoint`` among them.
    """

    checkpoint: Path | None
    problems: dict[Path, str]


def latest_checkpoint(work_dir: str | Path) -> str | None:
    """Path of the newest whole checkpoint of a run, or None if it has none yet; see :func:`find_latest`."""
    found = find_latest(work_dir).checkpoint
    return None if found is None else str(found)


def find_latest(work_dir: str | Path) -> Latest:
    """Look for the newest whole checkpoint of a run.

    ``last_checkpoint`` holds the path of the last one. The file of that name beside it counts first: the work dir may
    have been moved or copied since. If that one is damaged or gone, the one before it counts, ``epoch_<n>.pth`` or
    ``iter_<n>.pth`` with the next lower number: higher numbers may be of a training before. Where ``last_checkpoint``
    is missing, as after a kill right behind the first checkpoint, or can't be read, the file that was written last
    counts.

    Raises:
        PermissionError: If a file may not be read, which is no damage.
        ValueError: If there are checkpoints, and none of them is whole.
    """
    pointer = Path(work_dir) / "last_checkpoint"
    problems: dict[Path, str] = {}
    named = _read_pointer(pointer, problems) if pointer.is_file() else None
    last = (
        None if named is None else next((path for path in (pointer.parent / named.name, named) if _is_file(path)), None)
    )
    if named is not None and last is None:
        problems[pointer] = f"it names {named}, which is gone"
    older = _numbered(pointer.parent if last is None else last.parent, before=named)
    for path in ([] if last is None else [last]) + older:
        problem = _problem(path)
        if problem is None:
            return Latest(path, problems)
        problems[path] = problem
    if problems:
        listed = "; ".join(f"{path.name}: {problem}" for path, problem in problems.items())
        raise ValueError(
            f"can't resume: no whole checkpoint is left in '{work_dir}' ({listed}): give another by --resume "
            "CHECKPOINT, or start from the beginning without --resume"
        )
    return Latest(None, {})


def _read_pointer(pointer: Path, problems: dict[Path, str]) -> Path | None:
    """What it names; None, and an entry in ``problems``, if that is no path."""
    content = pointer.read_bytes()
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        problems[pointer] = "it names no file" if content.strip() else "it is empty"
        return None
    return Path(text)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def _numbered(folder: Path, before: Path | None) -> list[Path]:
    """Checkpoints by their number, those of the same kind with lower ones; without ``before``, all by their time."""
    pairs = [(match, path) for path in folder.glob("*.pth") if (match := _NUMBERED.fullmatch(path.name))]
    last = None if before is None else _NUMBERED.fullmatch(before.name)
    if last is None:
        times = [(path.stat().st_mtime_ns, int(match[2]), path) for match, path in pairs]
        return [path for *_, path in sorted(times, reverse=True)]
    numbers = [(int(match[2]), path) for match, path in pairs if match[1] == last[1] and int(match[2]) < int(last[2])]
    return [path for _, path in sorted(numbers, reverse=True)]


def _problem(path: Path) -> str | None:
    """What is wrong with a checkpoint, if anything is."""
    try:
        path.open("rb").close()
        check_checkpoint(path)
    except ValueError as error:
        return str(error)
    except OSError as error:
        if error.errno != errno.EIO:  # what the disk can't read any more
            raise
        return str(error)
    return None
