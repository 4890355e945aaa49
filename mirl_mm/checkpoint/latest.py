"""Finding the checkpoint to go on from."""

import re
import zipfile
from pathlib import Path

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


def check_checkpoint(path: str | Path) -> Path:
    """Make sure that a file is a whole checkpoint of ``torch.save`` (a zip file), without reading its tensors.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint {str(path)!r}")
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{str(path)!r} ({path.stat().st_size} bytes) is no whole PyTorch checkpoint: truncated, or another kind "
            "of file. Copy it again, or take the one before it"
        )
    return path
