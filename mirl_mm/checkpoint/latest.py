"""Finding the checkpoint to go on from."""

import re
from pathlib import Path

from .whole import check_checkpoint

_NUMBERED = re.compile(r"(?:epoch|iter)_(\d+)\.pth")


def latest_checkpoint(work_dir: str | Path) -> str | None:
    """The last whole checkpoint of a run, or None if it has none yet.

    ``last_checkpoint`` holds its path; if the work dir has been moved since, the file of that name beside it counts.
    A run that was killed after it wrote its first checkpoint and before that pointer has none: the highest
    ``epoch_<n>.pth`` or ``iter_<n>.pth`` counts.

    Raises:
        FileNotFoundError: If the file that ``last_checkpoint`` names is gone.
        ValueError: If it is no checkpoint.
    """
    pointer = Path(work_dir) / "last_checkpoint"
    if not pointer.is_file():
        numbered = {
            int(match[1]): path for path in pointer.parent.glob("*.pth") if (match := _NUMBERED.fullmatch(path.name))
        }
        return str(check_checkpoint(numbered[max(numbered)])) if numbered else None
    named = Path(pointer.read_text().strip())
    candidates = (named, pointer.parent / named.name)
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"{pointer} names {named}, which is gone: resume from another with --resume CHECKPOINT")
    return str(check_checkpoint(found))
