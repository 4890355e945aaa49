"""Are a data set's index masks what the config takes them for? Quick enough to be asked before every training."""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from .checks import check_root
from .masks import MaskRules, count_mask

#: Masks that are looked at before a training: all of a small data set, where mistakes are likeliest, and a sample of a
#: large one, in a second or two. The rest is checked as it is loaded.
LOOKED_AT = 500
_THREADS = 8
_SHOWN = 5


def check_folders(data_root: str, images: str, masks: str | None) -> None:
    """See that the folders are there.

    Args:
        data_root: The data set's folder.
        images: The images' folder, absolute or relative to ``data_root``.
        masks: The masks' folder, likewise; None if there are none.

    Raises:
        FileNotFoundError: Says which one is missing, and what is there instead.
    """
    relative = [folder for folder in (images, masks) if folder is not None and not os.path.isabs(folder)]
    if data_root and relative:
        check_root(data_root)
    for key, what, folder in (("img_path", "image", images), ("seg_map_path", "mask", masks)):
        if folder is None:
            continue
        path = os.path.join(data_root, folder)
        if not os.path.isdir(path):
            raise FileNotFoundError(
                f"{what} folder '{path}' is missing{_instead(path)}. Set data_prefix=dict({key}=...) in the data set's "
                "config (relative to data_root), or data_root by --data-root"
            )


def _instead(path: str) -> str:
    """What the nearest folder above a missing one holds."""
    above = os.path.dirname(os.path.normpath(path)) or "."
    while above and not os.path.isdir(above) and os.path.dirname(above) != above:
        above = os.path.dirname(above)
    folders = sorted(entry.name for entry in os.scandir(above or ".") if entry.is_dir())
    return f"; in '{above}' there are the folders {_shorten(folders)}" if folders else f"; '{above}' has no folders"


def check_files(images: Sequence[str], folder: str, suffix: str) -> None:
    """See that there are images, and that those of a list are there.

    Args:
        images: Paths.
        folder: Where they lie.
        suffix: How their names end.

    Raises:
        ValueError: If there is none; tells which endings there are.
        FileNotFoundError: If a file is missing.
    """
    present = _files(folder)
    if not images:
        kinds = Counter(os.path.splitext(path)[1] or "(none)" for path in present).most_common(_SHOWN)
        found = ", ".join(f"{ending} ({number:,})" for ending, number in kinds)
        raise ValueError(
            f"folder '{folder}' has no image that ends in '{suffix}'; endings found: {found or 'no file at all'}. Set "
            "img_suffix in the data set's config to that of the images"
        )
    missing = [path for path in images if os.path.normpath(path) not in present]
    if missing:
        raise FileNotFoundError(
            f"{len(missing):,} of {len(images):,} images of the list are not in '{folder}': {_shorten(missing)}. The "
            "list (ann_file) has names without folder and ending"
        )


def check_masks_exist(images: Sequence[str], masks: Sequence[str], folder: str) -> None:
    """See that each image has its mask.

    Args:
        images: Paths.
        masks: The path of each image's mask.
        folder: Where masks lie.

    Raises:
        FileNotFoundError: If a mask is missing; names the first image without one.
    """
    present = _files(folder)
    missing = [i for i, path in enumerate(masks) if os.path.normpath(path) not in present]
    if missing:
        names = _shorten(sorted(os.path.basename(path) for path in present))
        there = f"there are {names}" if names else "there is no file"
        raise FileNotFoundError(
            f"{len(missing):,} of {len(images):,} images have no mask. The first is '{images[missing[0]]}', for which "
            f"there is no '{masks[missing[0]]}'; in '{folder}' {there}. Add the masks, set seg_map_suffix to "
            "how their names end, or name the images to take in a list (ann_file)"
        )


def _files(folder: str) -> set[str]:
    return {os.path.normpath(os.path.join(root, name)) for root, _, names in os.walk(folder) for name in names}


def look_at_masks(images: Sequence[str], masks: Sequence[str], rules: MaskRules, number: int = LOOKED_AT) -> str | None:
    """Check masks, evenly spread over the data set, several at a time.

    Args:
        images: Paths.
        masks: The path of each image's mask.
        rules: What values mean.
        number: Masks to look at; no more than this many are read.

    Returns:
        A warning of masks without a single label, if there are any.

    Raises:
        ValueError: For the first mask that :func:`count_mask` refuses, or if no pixel has a label.
        CorruptImageError: If image or mask can't be read.
    """
    chosen = [i * len(masks) // number for i in range(number)] if len(masks) > number else list(range(len(masks)))
    with ThreadPoolExecutor(_THREADS) as pool:
        counts = list(pool.map(lambda i: count_mask(images[i], masks[i], rules), chosen))
    empty = [masks[i] for i, count in zip(chosen, counts, strict=True) if not count.pixels.any()]
    if not empty:
        return None
    what = f"{len(empty):,} of {len(chosen):,} masks looked at have no labelled pixel ({_shorten(empty)}): {rules}"
    if len(empty) == len(chosen):
        raise ValueError(
            f"{what}. Nothing can be learnt or measured: correct reduce_zero_label or ignore_index in the data set's "
            "config, or the masks"
        )
    return what


def _shorten(values: Sequence[str]) -> str:
    more = f" and {len(values) - _SHOWN:,} more" if len(values) > _SHOWN else ""
    return ", ".join(values[:_SHOWN]) + more
