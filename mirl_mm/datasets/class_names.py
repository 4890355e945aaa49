"""Do two lists of class names mean the same labels?"""

from collections.abc import Sequence

from mirl_mm.text import counted, shortlist


def compare_classes(name: str, classes: Sequence[str], other: str, theirs: Sequence[str]) -> None:
    """Raises a ValueError unless both are the same classes in the same order."""
    if tuple(classes) == tuple(theirs):
        return
    lacks = [each for each in theirs if each not in set(classes)]
    more = [each for each in classes if each not in set(theirs)]
    what = [f"it lacks {len(lacks)}: {shortlist(lacks, 3)}"] * bool(lacks)
    what += [f"{len(more)} are new: {shortlist(more, 3)}"] * bool(more)
    if not what:
        what = [f"their order differs, {differing_labels(classes, theirs)[0]}"]
    raise ValueError(
        f"{name} has {counted(len(classes), 'class', 'classes')}, and {other} has {len(theirs)}: {'; '.join(what)}. "
        "Labels count the class folders by name, so all must have the same; rename or add folders, or name the classes "
        "in their order by classes in the data set's config"
    )


def check_order(name: str, classes: Sequence[str], trained: Sequence[str]) -> None:
    """Raises a ValueError if the classes of the checkpoint come in another order."""
    differing = differing_labels(classes, trained)
    if differing:
        raise ValueError(
            f"{name} has the checkpoint's classes in another order: {shortlist(differing, 3)}. Set "
            "metainfo=dict(classes=(...)) in the data set's config to their order in the training"
        )


def differing_labels(classes: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """What labels mean in as many classes, where they mean two things."""
    pairs = enumerate(zip(classes, theirs, strict=True))
    return [f"label {label} is '{here}' here and '{there}' there" for label, (here, there) in pairs if here != there]
