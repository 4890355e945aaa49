"""Training, validation and test: by the names of folders and files, or a share held out."""

import random
import re
from collections.abc import Hashable, Sequence
from pathlib import Path

from .found import Request

#: What splits are called; the first name of each is ours.
NAMES = {
    "train": ("train", "training", "train2017", "trainset"),
    "val": ("val", "valid", "validation", "val2017", "dev"),
    "test": ("test", "testing", "test2017"),
}
_OF = {name: split for split, names in NAMES.items() for name in names}


def split_of(name: str) -> str | None:
    """The split that a file's or folder's name speaks of, such as ``instances_val2017``; None if none or several."""
    found = {_OF[word] for word in re.split(r"[^a-z0-9]+", name.lower()) if word in _OF}
    return found.pop() if len(found) == 1 else None


def split_folders(root: Path) -> dict[str, Path]:
    """The sub-folders that are called as a split, in the order train, val, test."""
    if not root.is_dir():
        return {}
    present = {entry.name.lower(): entry for entry in sorted(root.iterdir()) if entry.is_dir()}
    found = {split: [present[name] for name in names if name in present] for split, names in NAMES.items()}
    return {split: folders[0] for split, folders in found.items() if folders}


def hold_out(labels: Sequence[Hashable], share: float, seed: int = 0) -> tuple[list[int], list[int]]:
    """Deal items out to training and validation, by chance, and of each label the same share.

    Args:
        labels: Of each item. At least one item of every label is held out, unless it is the label's only one.
        share: For validation, in [0, 1).
        seed: The same gives the same.

    Returns:
        Numbers of the items for training and for validation, rising.

    Raises:
        ValueError: For a share out of range.
    """
    if not 0 <= share < 1:
        raise ValueError(f"the share held out for validation must be at least 0 and less than 1, got {share}")
    items: dict[Hashable, list[int]] = {}
    for number, label in enumerate(labels):
        items.setdefault(label, []).append(number)
    chance = random.Random(seed)
    held: set[int] = set()
    for numbers in items.values():
        wanted = max(round(share * len(numbers)), 1) if share else 0
        held.update(chance.sample(numbers, min(wanted, len(numbers) - 1)))
    return [i for i in range(len(labels)) if i not in held], sorted(held)


def held_out(labels: Sequence[Hashable], request: Request) -> tuple[dict[str, list[int]], str]:
    """Indices for ``train`` and, unless nothing is held out, ``val``, as :func:`hold_out`; and what to say of it."""
    train, val = hold_out(labels, request.share, request.seed)
    if not val:
        return {"train": train}, "there is no validation split: trained without validation"
    part = f"{len(val):,} of the {len(labels):,} images are held out for it, drawn by seed {request.seed}"
    return {"train": train, "val": val}, f"there is no validation split: {part}"
